"""Stage 4: from the feature table to a candidate model in a portable form."""

from medcairn.training.algorithms import Algorithm
from medcairn.training.crossvalidation import CandidateResult, FoldScore
from medcairn.training.report import TrainReport
from medcairn.training.rows import TrainingRows, read_training_rows
from medcairn.training.train import train

__all__ = [
    "Algorithm",
    "CandidateResult",
    "FoldScore",
    "TrainReport",
    "TrainingRows",
    "read_training_rows",
    "train",
]

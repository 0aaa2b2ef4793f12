"""Stage 3, second half: cohorts, labels and features that cannot see the future."""

from medcairn.features.cohort import Cohort, Flow, find_cohort
from medcairn.features.compute import INDEX_SCHEMA, features_at
from medcairn.features.feature_set import Feature, FeatureSet, feature_set_from_spec, load_feature_set
from medcairn.features.gold import GoldReport, build_gold, feature_spec
from medcairn.features.leakage import check_no_leakage, inputs_for
from medcairn.features.task import Task, load_task

__all__ = [
    "INDEX_SCHEMA",
    "Cohort",
    "Feature",
    "FeatureSet",
    "Flow",
    "GoldReport",
    "Task",
    "build_gold",
    "check_no_leakage",
    "feature_set_from_spec",
    "feature_spec",
    "features_at",
    "find_cohort",
    "inputs_for",
    "load_feature_set",
    "load_task",
]

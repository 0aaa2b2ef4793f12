"""Stage 5, clinical validation: a candidate on the held-out split, against criteria fixed before."""

from medcairn.validation.assessment import assess, measure, validate
from medcairn.validation.checks import CEILING_CHECK, Check
from medcairn.validation.criteria import Bound, Criteria, Criterion, Metric, load_criteria, parse_criteria
from medcairn.validation.estimate import Estimate, Measured, Unavailable
from medcairn.validation.held_out import HeldOut, read_held_out
from medcairn.validation.report import OperatingPoint, ValidationReport
from medcairn.validation.sample import Sample
from medcairn.validation.subgroups import Subgroup, SubgroupFindings

__all__ = [
    "CEILING_CHECK",
    "Bound",
    "Check",
    "Criteria",
    "Criterion",
    "Estimate",
    "HeldOut",
    "Measured",
    "Metric",
    "OperatingPoint",
    "Sample",
    "Subgroup",
    "SubgroupFindings",
    "Unavailable",
    "ValidationReport",
    "assess",
    "load_criteria",
    "measure",
    "parse_criteria",
    "read_held_out",
    "validate",
]

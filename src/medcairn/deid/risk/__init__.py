"""Risk report over de-identified output: k-anonymity, l-diversity, sample uniques. See ``README.md`` here."""

from medcairn.deid.risk.attributes import (
    DEFAULT_QUASI_IDENTIFIERS,
    DEFAULT_SENSITIVE,
    QUASI_IDENTIFIERS,
    SENSITIVE_ATTRIBUTES,
)
from medcairn.deid.risk.report import Contribution, Diversity, RiskReport
from medcairn.deid.risk.stage import RISK_JSON, RISK_PAGE, assess_risk

__all__ = [
    "DEFAULT_QUASI_IDENTIFIERS",
    "DEFAULT_SENSITIVE",
    "QUASI_IDENTIFIERS",
    "RISK_JSON",
    "RISK_PAGE",
    "SENSITIVE_ATTRIBUTES",
    "Contribution",
    "Diversity",
    "RiskReport",
    "assess_risk",
]

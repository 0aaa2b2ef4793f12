"""MEDS 0.4, out and in: silver tables as a MEDS dataset, and a MEDS dataset as silver tables."""

from medcairn.features.meds.read import MedsFolder, is_meds
from medcairn.features.meds.rows import meds_rows
from medcairn.features.meds.subject_ids import meds_subject_id
from medcairn.features.meds.tables import silver_tables
from medcairn.features.meds.write import MedsReport, write_meds

__all__ = [
    "MedsFolder",
    "MedsReport",
    "is_meds",
    "meds_rows",
    "meds_subject_id",
    "silver_tables",
    "write_meds",
]

"""The nine-stage record of a run, as a view over the ledger."""

from medcairn.audit.record.nine_stages import NineStageRecord, Told, ToldStep, When, nine_stage_record
from medcairn.audit.record.text import record_text

__all__ = ["NineStageRecord", "Told", "ToldStep", "When", "nine_stage_record", "record_text"]

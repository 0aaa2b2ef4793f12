"""From any id to where it came from and to what became of it."""

from medcairn.audit.trace.backward import Trace, reaches, trace
from medcairn.audit.trace.index import FOLD_ABOVE, UnknownId, follow
from medcairn.audit.trace.subjects import Holding, SubjectTrail, follow_subject
from medcairn.audit.trace.text import holdings_text, trail_text
from medcairn.audit.trace.trail import Direction, Fold, Trail, Use, summary_of

__all__ = [
    "FOLD_ABOVE",
    "Direction",
    "Fold",
    "Holding",
    "SubjectTrail",
    "Trace",
    "Trail",
    "Use",
    "UnknownId",
    "follow",
    "follow_subject",
    "holdings_text",
    "reaches",
    "summary_of",
    "trace",
    "trail_text",
]

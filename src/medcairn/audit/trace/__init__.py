"""From any id to where it came from and to what became of it."""

from medcairn.audit.trace.backward import Trace, reaches, trace
from medcairn.audit.trace.index import FOLD_ABOVE, follow
from medcairn.audit.trace.subjects import Holding, SubjectTrail, follow_subject
from medcairn.audit.trace.text import trail_text
from medcairn.audit.trace.trail import Direction, Fold, Trail, Use, summary_of

__all__ = [
    "FOLD_ABOVE",
    "Direction",
    "Fold",
    "Trace",
    "Trail",
    "Use",
    "follow",
    "reaches",
    "summary_of",
    "trace",
]

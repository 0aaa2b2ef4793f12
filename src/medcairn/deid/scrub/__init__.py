"""An optional scrub of clinical free text. Not Safe Harbor: see ``README.md`` here.

Text is dropped by default. Who asks for this gets a side file of scrubbed notes, labelled for what it is, and
a report of what was found. The file belongs in the PHI zone.
"""

from medcairn.deid.scrub.harvest import SubjectIndex, subject_identifiers
from medcairn.deid.scrub.notes import NoteKind, Passed
from medcairn.deid.scrub.scrubber import Known, ScrubbedText, Scrubber, placeholder
from medcairn.deid.scrub.stage import (
    ALL_KINDS,
    SCRUB_REPORT,
    SCRUBBED_NOTES,
    STATEMENT,
    ScrubReport,
    scrub_notes,
)
from medcairn.deid.scrub.subject import PersonName, SubjectIdentifiers

__all__ = [
    "ALL_KINDS",
    "SCRUBBED_NOTES",
    "SCRUB_REPORT",
    "STATEMENT",
    "Known",
    "NoteKind",
    "Passed",
    "PersonName",
    "ScrubReport",
    "ScrubbedText",
    "Scrubber",
    "SubjectIdentifiers",
    "SubjectIndex",
    "placeholder",
    "scrub_notes",
    "subject_identifiers",
]

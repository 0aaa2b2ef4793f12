"""What the server does wrong on request: every fault that real Bulk Data servers show, as a switch.

All are off in ``Faults()``. A count N means "the first N times, then right": for each address where the
switch speaks of answers, for each file where it speaks of files. ``ALWAYS`` is a count that no test reaches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Final

from medcairn.core.errors import UsageError
from medcairn.core.labels import Label

ALWAYS: Final = 1_000_000_000
"""The count of a fault that never passes."""

_NAME: Final = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}\Z")
_REFERENCE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64}\Z")


class Phase(StrEnum):
    """Kinds of address, for the faults that may strike any of them."""

    KICK_OFF = "kick-off"
    STATUS = "status"
    FILE = "file"
    DELETE = "delete"
    TOKEN = "token"  # noqa: S105 - the name of an endpoint
    READ = "read"


class KickOffBy(StrEnum):
    """Which methods a kick-off may use."""

    BOTH = "both"
    GET = "get"
    POST = "post"


class Redirect(StrEnum):
    """Where files are redirected to: a second listener, by port alone or also by host name."""

    NO = "no"
    PORT = "port"
    HOST = "host"


class Gzip(StrEnum):
    """Which files are compressed."""

    ASKED = "asked"
    ALWAYS = "always"
    NEVER = "never"


def _count(text: str) -> int:
    return field(default=0, metadata={"text": text, "kind": "count"})


def _number(text: str, default: int = 0) -> int:
    return field(default=default, metadata={"text": text, "kind": "number"})


def _flag(text: str) -> bool:
    return field(default=False, metadata={"text": text, "kind": "flag"})


def _words(text: str) -> frozenset[str]:
    return field(default=frozenset(), metadata={"text": text, "kind": "words"})


def _text(text: str, default: str = "") -> str:
    return field(default=default, metadata={"text": text, "kind": "text"})


@dataclass(frozen=True, kw_only=True)
class Faults:
    """The switches. Raises :class:`UsageError` for a value that no switch can take."""

    # Answers that pass, at each address
    transient: int = _count("The first N answers of each address are 500, OperationOutcome code transient")
    rate_limit: int = _count("The first N answers of each address are 429")
    unavailable: int = _count("The first N answers of each address are 503")
    phases: frozenset[Phase] = field(
        default=frozenset({Phase.KICK_OFF, Phase.STATUS, Phase.FILE}),
        metadata={
            "text": "Where the three above strike: kick-off, status, file, delete, token, read",
            "kind": "phases",
        },
    )
    retry_after: str = _text("Retry-After of those answers, sent as it stands: 1735689600, -5, soon …")
    html_errors: bool = _flag("Those answers and job failures are an HTML page")

    # Kick-off
    kick_off: KickOffBy = field(
        default=KickOffBy.BOTH, metadata={"text": "Methods of a kick-off: both, get, post", "kind": "choice"}
    )
    no_bulk: bool = _flag("The server knows no $export")
    no_comma_lists: bool = _flag("A list parted by commas is refused; parameters are repeated instead")
    unsupported: frozenset[str] = _words("Kick-off parameters that the server does not know, such as _since")
    empty_groups: bool = _flag("An export of an unknown group succeeds with nothing in it")

    # Job
    failing_jobs: int = _count("The first N exports end in an error that does not pass")
    failure_status: int = _number("HTTP status of that error", 500)
    lost_jobs: int = _count("The first N exports are unknown (404) once begun")
    silent_polls: int = _number("So many polls more are answered 202 without progress or Retry-After")
    poll_retry_after: str = _text("Retry-After of a running export, sent as it stands", "1")

    # Manifest
    wrong_count: int = _number("The counts in the manifest are off by so many")
    partial_failure: frozenset[str] = _words("Types that fail: the manifest has them only as errors")
    page_size: int = _number("Outputs on a page of the manifest, with a link to the next")
    outcome_for_error: bool = _flag("The manifest says outcome where it said error")
    hostile_type: str = _text("Type of the manifest's first output, such as ../../escaped")
    hostile_url: str = _text("Address of the manifest's first output, such as file:///etc/hostname")
    signed_urls: bool = _flag("Files have new addresses in every manifest, and the old ones are gone")
    deleted: frozenset[str] = _words("Resources (Patient/1) deleted as of the data's instant")

    # Files
    only: frozenset[str] = _words("The faults of files below strike only these types")
    drop_connection: int = _count("The first N tries of a file lose the connection halfway")
    truncated: int = _count("The first N tries of a file end within a line, with a Content-Length to match")
    short_body: int = _count("The first N tries of a file end at a line, short of the Content-Length")
    bad_line: int = _count("The first N tries of a file hold a line that is no JSON")
    wrong_type: int = _count("The first N tries of a file hold a resource of another type")
    line_separators: bool = _flag("Each resource has U+2028, U+2029 and U+0085 inside a string")
    expired: int = _count("Files are gone until the manifest was asked for N times more")
    expired_status: int = _number("HTTP status of a file that is gone", 410)
    redirect: Redirect = field(
        default=Redirect.NO,
        metadata={"text": "Files are redirected to a second listener: port, host", "kind": "choice"},
    )
    files_elsewhere: bool = _flag("The manifest has the files on the second listener, which takes no token")
    drip: int = _number("Bytes a second of each file")
    gzip: Gzip = field(
        default=Gzip.ASKED, metadata={"text": "Compressed files: asked, always, never", "kind": "choice"}
    )
    no_charset: bool = _flag("Content types without a charset")
    content_type: str = _text("Content type of the files, such as application/octet-stream")
    lines_per_file: int = _number("Resources a file: several files of one type")
    tiny_files: int = _number("An export holds so many generated files of one Observation each")
    large_file: int = _number("An export holds one generated file of about so many bytes")
    attachments_by_url: bool = _flag("Attachments are addresses of Binary resources instead of data")

    # Tokens
    token_seconds: int = _number("Seconds that a token lives", 300)
    token_uses: int = _number("Uses of a token, after which it is revoked")
    files_without_token: bool = _flag("requiresAccessToken is false, and files refuse a bearer")

    def __post_init__(self) -> None:
        for switch in fields(self):
            value = getattr(self, switch.name)
            if isinstance(value, int) and value < 0 and switch.name != "wrong_count":
                raise _unusable(switch.name)
        for name in ("failure_status", "expired_status"):
            if not 400 <= getattr(self, name) <= 599:
                raise _unusable(name)
        for name in ("retry_after", "poll_retry_after", "content_type"):
            if not re.fullmatch(r"[\x20-\x7e]{0,200}", getattr(self, name)):
                raise _unusable(name)
        for name in ("only", "partial_failure", "unsupported"):
            if not all(_NAME.match(word) for word in getattr(self, name)):
                raise _unusable(name)
        if not all(_REFERENCE.match(word) for word in self.deleted):
            raise _unusable("deleted")
        if self.token_seconds == 0:
            raise _unusable("token_seconds")

    def strikes(self, resource_type: str) -> bool:
        """Whether the faults of files strike files of this type."""
        return not self.only or resource_type in self.only


def _unusable(name: str) -> UsageError:
    return UsageError(
        "A fault has a value that it cannot take",
        hint="`medcairn hospital faults` lists them",
        fault=Label(name.replace("_", "-")),
    )


NO_FAULTS: Final = Faults()
"""A server that does everything right."""

__all__ = ["ALWAYS", "NO_FAULTS", "Faults", "Gzip", "KickOffBy", "Phase", "Redirect"]

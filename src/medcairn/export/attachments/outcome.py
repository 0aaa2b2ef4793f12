"""What becomes of an attachment: its content is here, or a reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from medcairn.core.digests import Digest


class Missing(StrEnum):
    """Why an attachment's content is not here."""

    NOT_HTTP = "address_is_no_http_url"
    OTHER_ORIGIN = "address_on_another_server"
    REDIRECTED = "redirected_to_another_server"
    REFUSED = "server_refused"
    GONE = "server_does_not_have_it"
    SERVER_ERROR = "server_failed"
    UNREACHABLE = "connection_lost"
    TOO_LARGE = "larger_than_the_limit"
    WRONG_HASH = "content_is_not_what_the_hash_says"
    BAD_DATA = "inline_data_is_no_base64"


@dataclass(frozen=True)
class Content:
    """Content in the store. ``sha1`` (hex) is what FHIR's ``Attachment.hash`` is compared with."""

    digest: Digest
    size: int
    sha1: str
    content_type: str | None


__all__ = ["Content", "Missing"]

"""The members of a resource by which it is filed; the rest is checked to be JSON and skipped."""

from __future__ import annotations

import msgspec


class Meta(msgspec.Struct, gc=False):
    """``meta``."""

    versionId: str | None = None  # noqa: N815
    lastUpdated: str | None = None  # noqa: N815


class Header(msgspec.Struct, gc=False):
    """The head of a resource. A member that is absent is None."""

    resourceType: str | None = None  # noqa: N815
    id: str | None = None
    meta: Meta | None = None


class _Loose(msgspec.Struct):
    resourceType: object = None  # noqa: N815
    id: object = None
    meta: object = None


_decoder = msgspec.json.Decoder(Header)

decode_header = _decoder.decode
"""The header in a JSON text. Raises ``msgspec.ValidationError`` when a member is of another kind than due."""

decode_headers = _decoder.decode_lines
"""The headers in lines of JSON texts, with the same errors."""

_decode_loose = msgspec.json.Decoder(_Loose).decode


def decode_odd_header(text: bytes) -> Header | None:
    """The header of a JSON text in which members may have kinds that are not due: those count as absent.

    None when the text is no JSON object. Raises ``msgspec.DecodeError`` when it is not JSON.
    """
    try:
        loose = _decode_loose(text)
    except msgspec.ValidationError:
        return None
    meta = loose.meta if isinstance(loose.meta, dict) else {}
    return Header(
        _text(loose.resourceType),
        _text(loose.id),
        Meta(_text(meta.get("versionId")), _text(meta.get("lastUpdated"))),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


__all__ = ["Header", "Meta", "decode_header", "decode_headers", "decode_odd_header"]

"""The members of a resource by which it is filed; the rest is checked to be JSON and skipped."""

from __future__ import annotations

import msgspec


class Meta(msgspec.Struct):
    """``meta``."""

    versionId: str | None = None  # noqa: N815
    lastUpdated: str | None = None  # noqa: N815


class Header(msgspec.Struct):
    """The head of a resource. A member that is absent is None."""

    resourceType: str | None = None  # noqa: N815
    id: str | None = None
    meta: Meta | None = None


def version_age(header: Header) -> tuple[int, str]:
    """Orders versions of one resource, oldest first: by version number where there is one, then by time."""
    version = header.meta.versionId if header.meta else None
    number = int(version) if version and version.isascii() and version.isdigit() else -1
    return number, (header.meta.lastUpdated if header.meta else None) or ""


__all__ = ["Header", "Meta", "version_age"]

"""Which server a URL belongs to, and whether a URL that a server gave may be opened at all."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from medcairn.core.errors import ExternalError, UsageError
from medcairn.core.labels import Label

_PORTS: Final = {"http": 80, "https": 443}
_SAFE_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,150}\Z")


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port (RFC 6454). The same host on another port is another origin."""

    scheme: str
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine."""
        return self.host == "localhost" or _is_loopback(self.host)

    @property
    def label(self) -> Label:
        """For error messages: the host and port that the user gave."""
        return Label(f"{self.host}:{self.port}") if _SAFE_HOST.match(self.host) else Label("the-given-host")


def origin_of(url: str) -> Origin | None:
    """The origin of an http(s) URL without user information; None for any other URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or "@" in parts.netloc:
        return None
    return Origin(parts.scheme, parts.hostname.lower(), port or _PORTS[parts.scheme])


def trusted_origins(home: Origin, allowed: Iterable[str]) -> frozenset[Origin]:
    """Where tokens may go: home, and the origins (``https://files.example.org``) that the user allows.

    Raises :class:`UsageError` for one that is no origin, or where a token would go in the clear.
    """
    found = {home}
    for position, text in enumerate(allowed, start=1):
        origin = origin_of(text)
        if origin is None or urlsplit(text).path not in ("", "/") or "?" in text or "#" in text:
            raise UsageError(
                "This is no origin that a token may go to",
                hint="Give scheme, host and port alone, such as https://files.example.org",
                position=position,
            )
        if origin.scheme != "https" and not origin.loopback:
            raise UsageError("An access token is not sent over plain http", position=position)
        found.add(origin)
    return frozenset(found)


def checked_base(base_url: str) -> str:
    """The base URL as used: http(s), no user information, query or fragment, no slash at the end.

    Raises :class:`UsageError`.
    """
    if origin_of(base_url) is None or "?" in base_url or "#" in base_url or not base_url.isprintable():
        raise UsageError(
            "This is no FHIR base URL",
            hint="Give https://host/path, without user name, password, query or fragment",
        )
    return base_url.rstrip("/")


def check_target(url: str, home: Origin) -> Origin:
    """The origin of ``url``, which a server at ``home`` gave us, when it may be opened.

    Another host is allowed (servers hand out URLs of object storage), except: no plain http when home is
    https, and no address of this machine or of the local link (a cloud's metadata service lies there)
    unless home is that very host.

    Raises :class:`ExternalError`.
    """
    target = origin_of(url)
    if target is None:
        raise ExternalError("The server gave an address that is no http(s) URL", server=home.label)
    if home.scheme == "https" and target.scheme != "https":
        raise ExternalError("The server pointed from https to plain http; refused", server=home.label)
    if target.host != home.host and not (home.loopback and target.loopback) and _is_forbidden(target):
        raise ExternalError(
            "The server pointed to an address inside this machine; refused", server=home.label
        )
    return target


def _is_forbidden(target: Origin) -> bool:
    """An unresolvable name is left to the connection, which will fail."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(_is_local(str(address[4][0])) for address in found)


def _is_local(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return True
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


__all__ = ["Origin", "check_target", "checked_base", "origin_of", "trusted_origins"]

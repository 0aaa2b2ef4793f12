"""What requests that are no Bulk Data export need: a client that is logged in, and a folder to work in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medcairn.core.clock import Clock, Ids, RandomIds
from medcairn.core.errors import UsageError
from medcairn.core.files import private_folder, storage_errors
from medcairn.export.bulkdata.http import HttpClient
from medcairn.export.bulkdata.origins import checked_base, origin_of, trusted_origins
from medcairn.export.bulkdata.smart import SmartTokens, discover
from medcairn.export.bulkdata.waiting import Patience
from medcairn.export.credentials import Credentials


@dataclass(frozen=True)
class Timing:
    """How time is told and passed, and how much of it there is."""

    clock: Clock
    sleep: Callable[[float], None]
    monotonic: Callable[[], float]
    limit_seconds: float


@contextmanager
def connected(
    base_url: str,
    credentials: Credentials | None,
    timing: Timing,
    ids: Ids | None = None,
    token_origins: Sequence[str] = (),
) -> Iterator[tuple[HttpClient, str]]:
    """The client and the base URL as used. ``credentials`` None means an open server; ``token_origins`` are
    further origins that may get its token.

    Raises :class:`UsageError` for a wrong address, or a token over plain http; :class:`ExternalError` when
    the server does not say where tokens come from.
    """
    base = checked_base(base_url)
    home = origin_of(base)
    if home is None:
        raise UsageError("This is no FHIR base URL")
    if credentials is not None and home.scheme != "https" and not home.loopback:
        raise UsageError("An access token is not sent over plain http", hint="Use the server's https address")
    patience = Patience(timing.clock, timing.sleep, timing.monotonic, timing.limit_seconds)
    with HttpClient(home, patience, token_origins=trusted_origins(home, token_origins)) as client:
        if credentials is not None:
            endpoint = discover(client, base, credentials)
            client.tokens = SmartTokens(
                client,
                endpoint,
                credentials,
                clock=timing.clock,
                ids=ids or RandomIds(),
                monotonic=timing.monotonic,
            )
        yield client, base


def clear_work(folder: Path, marker: str) -> None:
    """Make ``folder`` an empty, private work folder. What is cleared away must be ours: it holds ``marker``.

    Raises :class:`UsageError` when the folder holds something else.
    """
    with storage_errors():
        if folder.is_dir() and any(folder.iterdir()):
            if not (folder / marker).is_file():
                raise UsageError("The work folder holds something else", hint="Give a new one", folder=folder)
            shutil.rmtree(folder)
    private_folder(folder)


__all__ = ["Timing", "clear_work", "connected"]

"""Fetching all files of a manifest, some at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medcairn.core.errors import MedcairnError
from medcairn.core.progress import Progress
from medcairn.export.bulkdata.commit import Committer
from medcairn.export.bulkdata.download import Fetcher, FileGone
from medcairn.export.bulkdata.event_log import EventLog
from medcairn.export.bulkdata.http import HttpClient
from medcairn.export.bulkdata.job import JobState, Journal, missing
from medcairn.export.bulkdata.manifest import BulkManifest, Listed
from medcairn.export.report import ExportedFile

_STOP_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Round:
    """Fetches what is missing of one job into ``folder``, ``parallel`` files at a time."""

    client: HttpClient
    journal: Journal
    log: EventLog
    folder: Path
    parallel: int
    progress: Progress

    def fetch(self, state: JobState, manifest: BulkManifest) -> FileGone | None:
        """Fetch every file that ``state`` does not know as finished; the failure when addresses have expired.

        After the first failure, files not yet begun are left. Raises the first failure of another kind.
        """
        todo = missing(state, manifest.files)
        counts = [file.count for file in todo if file.role in ("output", "organized")]
        total = None if None in counts else sum(count for count in counts if count is not None)
        self.progress.begin("Downloading", total, "resources")
        cancelled = threading.Event()
        fetcher = Fetcher(
            self.client,
            self.folder,
            self.progress,
            manifest.expires,
            lambda listed, etag: self.journal.resumable(state, str(listed.path), etag),
            cancelled,
        )
        by_path = {file.path: file for file in todo}

        def recorded(files: list[ExportedFile]) -> None:
            self.journal.finish(state, files)
            for file in files:
                self.log.download_complete(by_path[file.name], file)

        with closing(Committer(self.folder, recorded)) as committer:

            def one(listed: Listed) -> None:
                self._one(fetcher, committer, listed, state.etags.get(str(listed.path)))

            errors = self._all(todo, one, cancelled)
        for error in errors:
            if not isinstance(error, FileGone):
                raise error
        return next((error for error in errors if isinstance(error, FileGone)), None)

    def _one(self, fetcher: Fetcher, committer: Committer, listed: Listed, etag: str | None) -> None:
        self.log.download_request(listed)
        try:
            committer.finish(fetcher.fetch(listed, etag))
        except MedcairnError as failure:
            self.log.download_error(listed, failure)
            raise

    def _all(
        self, todo: list[Listed], one: Callable[[Listed], None], cancelled: threading.Event
    ) -> list[BaseException]:
        pool = ThreadPoolExecutor(self.parallel, "medcairn-export")
        futures = [pool.submit(one, listed) for listed in todo]
        try:
            return _outcomes(futures)
        except KeyboardInterrupt:
            # A stream that has gone silent is not waited for: it sees that it is cancelled when it wakes.
            cancelled.set()
            self.client.patience.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            wait(futures, timeout=_STOP_SECONDS)
            self.client.patience.stopped.clear()
            raise
        finally:
            pool.shutdown(wait=not cancelled.is_set(), cancel_futures=True)


def _outcomes(futures: list[Future[None]]) -> list[BaseException]:
    """The failures, in the order of the files."""
    for future in as_completed(futures):
        if not future.cancelled() and future.exception() is not None:
            for other in futures:
                other.cancel()
    found = [None if future.cancelled() else future.exception() for future in futures]
    return [error for error in found if error is not None]


__all__ = ["Round"]

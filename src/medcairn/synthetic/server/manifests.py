"""The manifest of an export: its pages, and what faults make of it."""

from __future__ import annotations

from dataclasses import dataclass

from medcairn.core.canonical import JSON
from medcairn.synthetic.server.faults import Faults
from medcairn.synthetic.server.jobs import Job
from medcairn.synthetic.server.outputs import OutputFile

_PARTIAL_PAGE_SIZE = 10
"""Outputs on a page for a client that allows partial manifests."""


@dataclass(frozen=True)
class ManifestMaker:
    """Makes manifests for jobs below ``base``; ``elsewhere`` is the root of the second listener."""

    base: str
    elsewhere: str
    requires_token: bool
    faults: Faults

    def pages(self, job: Job) -> int:
        """How many pages the manifest has."""
        size = self._page_size(job)
        return max(1, -(-len(job.outputs.files) // size)) if size else 1

    def page(self, job: Job, number: int, *, partial: bool = False) -> dict[str, JSON]:
        """Page ``number``, from 1. Deleted resources and errors are on the last; ``partial`` has no link."""
        size, last = self._page_size(job), number == self.pages(job)
        files = job.outputs.files[(number - 1) * size : number * size] if size else job.outputs.files
        errors = "outcome" if self.faults.outcome_for_error else "error"
        made: dict[str, JSON] = {
            "transactionTime": job.transaction_time,
            "request": job.wanted.url,
            "requiresAccessToken": self.requires_token,
        }
        if job.wanted.by_patient:
            made["outputOrganizedBy"] = "Patient"
        made["output"] = self._hostile([self._entry(job, item) for item in files])
        ended = last and not partial
        if job.outputs.deleted and ended:
            made["deleted"] = [self._entry(job, item) for item in job.outputs.deleted]
        made[errors] = [self._entry(job, item) for item in job.outputs.errors] if ended else []
        if not last and not partial:
            url = f"{self.base}/bulk-jobs/{job.id}/pages/{number + 1}"
            made["link"] = [{"relation": "next", "url": url}]
        return made

    def _page_size(self, job: Job) -> int:
        return self.faults.page_size or (_PARTIAL_PAGE_SIZE if job.wanted.partial_manifests else 0)

    def _entry(self, job: Job, item: OutputFile) -> dict[str, JSON]:
        url = self._url(job, item.name)
        wrong = self.faults.wrong_count if self.faults.strikes(item.resource_type) else 0
        entry: dict[str, JSON] = {"type": item.resource_type} if item.resource_type else {}
        entry |= {"url": url, "count": max(0, item.count + wrong)}
        return entry | {"continuesInFile": self._url(job, item.continues_in)} if item.continues_in else entry

    def _url(self, job: Job, name: str) -> str:
        if self.faults.files_elsewhere:
            return f"{self.elsewhere}/elsewhere/{job.id}/{name}"
        signature = f"?signature={job.manifests}" if self.faults.signed_urls else ""
        return f"{self.base}/bulk-files/{job.id}/{name}{signature}"

    def _hostile(self, entries: list[dict[str, JSON]]) -> list[dict[str, JSON]]:
        changed: dict[str, JSON] = {}
        if self.faults.hostile_type:
            changed["type"] = self.faults.hostile_type
        if self.faults.hostile_url:
            changed["url"] = self.faults.hostile_url.replace("{elsewhere}", self.elsewhere)
        return [entries[0] | changed, *entries[1:]] if entries and changed else entries


__all__ = ["ManifestMaker"]

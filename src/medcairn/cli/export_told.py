"""What ``medcairn export`` says at its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from medcairn.cli.output import note, say

if TYPE_CHECKING:
    from medcairn.core.canonical import JSON
    from medcairn.export import ExportReport


def tell(report: ExportReport, facts: Mapping[str, JSON], out: Path) -> None:
    """Counts by type, what was set aside, what an increment did, and what comes next."""
    if report.first_quarantined is not None:
        first = report.first_quarantined
        note(
            f"medcairn: set aside {report.quarantined_count:,} lines or entries, see quarantine.ndjson. "
            f"The first is {first.file.name}:{first.line} ({first.reason.value})"
        )
    for resource_type, count in report.resources.items():
        say(f"{count:>12,}  {resource_type}")
    files = f"{len(report.files):,} files, {report.size / 1e6:,.1f} MB"
    say(f"{report.resource_count:>12,}  resources in {files}")
    if report.files_ignored:
        say(f"Not read: {report.files_ignored:,} other files")
    _tell_landed(facts)
    if report.outcomes:
        listed = ", ".join(f"{count:,} {severity}" for severity, count in sorted(report.outcomes.items()))
        say(f"The server's own remarks, in errors/: {listed}")
    _tell_increment(facts)
    _tell_attachments(facts)
    if report.deletion_files and "changed" not in facts:
        say(f"The server lists deletions: {report.deletion_files:,} files in deletions/, for --incremental")
    if report.transaction_time is not None:
        say(f"Everything up to {report.transaction_time}; --incremental goes on from there")
    say(f"{out} holds identified patients' data. Next: medcairn deid run {out} DIR --key-file FILE")


def _tell_landed(facts: Mapping[str, JSON]) -> None:
    if facts.get("duplicates"):
        say(f"{facts['duplicates']:,} resources have the type and id of an earlier one; all are kept")
    for reason, count in cast("Mapping[str, int]", facts.get("passed_over", {})).items():
        say(f"{count:,} Bundle entries brought no resource: {reason.replace('_', ' ')}")


def _tell_increment(facts: Mapping[str, JSON]) -> None:
    if "changed" not in facts:
        return
    if facts["full_because"] is not None:
        say(f"Everything was asked for: {str(facts['full_because']).replace('_', ' ')}")
        return
    say(
        f"{facts['changed']:,} changed, {facts['deleted']:,} deleted, "
        f"{facts['members_joined']:,} members joined, {facts['members_departed']:,} left"
    )
    if facts["members_departed_kept"]:
        kept = facts["members_departed_kept"]
        say(f"{kept:,} patients left the group; their data are kept (--drop-departed removes them)")


def _tell_attachments(facts: Mapping[str, JSON]) -> None:
    if "attachments" not in facts:
        return
    found = cast("Mapping[str, JSON]", facts["attachments"])
    say(f"Attachments: {found['kept']:,} of {found['attachments']:,} here, {found['bytes']:,} bytes")
    for reason, count in cast("Mapping[str, int]", found["missing"]).items():
        say(f"  not had: {count:,} {reason.replace('_', ' ')}")


__all__ = ["tell"]

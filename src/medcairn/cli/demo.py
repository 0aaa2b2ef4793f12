"""The demonstration: the whole road on a synthetic hospital, in one command."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, note, print_json, progress, say
from medcairn.cli.study import ignore, tell

if TYPE_CHECKING:
    from medcairn.pipeline.demo import DemoSummary


def register(app: typer.Typer) -> None:
    """Add demo."""
    app.command("demo")(demo)


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder for the hospital and the study.")
    ] = Path("demo"),
    patients: Annotated[int, typer.Option(min=50, help="How many synthetic patients.")] = 1000,
    as_json: JsonFlag = False,
) -> None:
    """Take a synthetic hospital the whole way: export to monitored model, signed and traced.

    Everything stays in DIR and on loopback. Run it again and it goes on where it stopped.

    Example: medcairn demo demo --patients 1000
    """
    from medcairn.pipeline.demo import run_demo

    with progress(quiet=as_json) as shown:
        summary = run_demo(
            folder,
            patients=patients,
            progress=shown,
            heard=ignore if as_json else tell,
            told=ignore_text if as_json else say,
        )
    if as_json:
        print_json(summary.as_json())
    else:
        _tell_summary(summary)


def ignore_text(text: str) -> None:
    """Say nothing; the whole result is printed at the end."""


def _tell_summary(summary: DemoSummary) -> None:
    study = summary.study
    say()
    say(f"From {summary.resources:,} resources of {summary.patients:,} synthetic patients to a served model")
    say(f"  {_performance(summary)}")
    say(f"  {_criteria(summary.validation)}")
    traffic = summary.traffic
    say(f"  Served {_latency(traffic.vectors_ms)} as feature rows and {_latency(traffic.bundles_ms)} as FHIR")
    say(f"  Bundles; a Bundle's probability and its row's differ by at most {traffic.largest_difference:.1g}")
    say(
        f"  Trail: {summary.tree_size:,} ledger entries, {summary.findings} findings; prediction "
        f"{summary.traced_prediction[:8]} traced to the export over {summary.trace_events} entries"
    )
    total = sum(seconds for _, seconds in summary.phases)
    say()
    say(
        f"Where the {total:.0f} s went: "
        + ", ".join(f"{name} {seconds:.1f}" for name, seconds in summary.phases)
    )
    say()
    say("Look at")
    for path in (
        "reports/validation/report.pdf",
        "reports/validation/report.html",
        "reports/monitoring/report.html",
    ):
        say(f"  {study / path}")
    say(f"  {summary.package / 'model-card.html'}")
    say()
    say("Try next")
    program = _program()
    say(f"  {program} status --study {study}")
    say(f"  {program} audit trace {summary.traced_prediction} --study {study}")
    say(f"  {program} audit verify --study {study}")
    say(f"  {program} serve {summary.package} --study {study}")
    note("The signatures were made by demonstration people, and no patient in this study is real.")


def _program() -> str:
    """How this command can be called again: by its name, or by the path under which it was called."""
    return "medcairn" if shutil.which("medcairn") else sys.argv[0]


def _latency(latencies: list[float]) -> str:
    from medcairn.pipeline.traffic import percentile

    half, most = percentile(latencies, 0.5), percentile(latencies, 0.99)
    return f"{len(latencies):,} (p50 {half:.1f} ms, p99 {most:.1f} ms)"


def _performance(summary: DemoSummary) -> str:
    metrics = summary.validation.get("metrics")
    auroc = metrics.get("auroc") if isinstance(metrics, Mapping) else None
    if not isinstance(auroc, Mapping) or "value" not in auroc:
        return "AUROC could not be computed"
    reach = "" if summary.best_auroc is None else f"; the best reachable on them is {summary.best_auroc:.3f}"
    return (
        f"AUROC {_number(auroc['value']):.3f} on held-out subjects (95% interval "
        f"{_number(auroc['low']):.3f} to {_number(auroc['high']):.3f}){reach}"
    )


def _criteria(validation: Mapping[str, object]) -> str:
    checks = validation.get("checks")
    if not isinstance(checks, Mapping):
        return "No criteria were assessed"
    failed = [str(name) for name, passed in checks.items() if not passed]
    verdict = (
        f"Acceptance criteria {validation.get('verdict')}: {len(checks) - len(failed)} of {len(checks)} met"
    )
    return f"{verdict}; not met: {', '.join(failed)}" if failed else verdict


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


__all__ = ["register"]

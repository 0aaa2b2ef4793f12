"""The stage: a folder of identified NDJSON in, a folder of de-identified NDJSON out."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, cast

from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.core.progress import NoProgress, Progress
from medcairn.core.workers import Workers
from medcairn.deid.axis import Axis, axis_of, followed_until
from medcairn.deid.crosswalk import HmacPlan, PseudonymPlan
from medcairn.deid.passes import QUARANTINE, Run
from medcairn.deid.policy import Policy, safe_harbor
from medcairn.deid.report import DeidReport
from medcairn.deid.source import Source, find_source
from medcairn.deid.tally import Reason, Tally

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from medcairn.core.spark_workers import SparkWorkers

MODES = ("safe-harbor",)
MODES_TO_COME = ("limited-shifted",)


def deidentify(
    source_dir: Path,
    out_dir: Path,
    *,
    as_of: date,
    key: bytes | None = None,
    pseudonyms: PseudonymPlan | None = None,
    mode: str = "safe-harbor",
    processes: int = 1,
    progress: Progress | None = None,
    policy: Policy | None = None,
    spark: SparkSession | None = None,
) -> DeidReport:
    """De-identify the NDJSON files of ``source_dir`` into files of the same names in ``out_dir``.

    Two passes: the first learns each subject's first day, the second writes. Files that hold references to
    resources in quarantine are written again without them. The order of lines is kept; a line that may not
    leave is named in ``quarantine.ndjson`` (file, line from 1, reason). The same source, key, policy and
    ``as_of`` give the same bytes with any number of ``processes``, and on ``spark``'s executors in place of
    processes. The source is only read.

    Pseudonyms are HMACs under ``key``, or come of a plan of one's own; one of the two is given.

    Raises :class:`UsageError` for a mode that does not exist, a short key, a missing or empty folder;
    :class:`DataError` for a file that cannot be read; :class:`StorageError` when the disk is full.
    """
    _check_mode(mode)
    if (key is None) == (pseudonyms is None):
        raise UsageError("Pseudonyms need a key or a plan, and not both")
    plan = HmacPlan(key) if key is not None else cast(PseudonymPlan, pseudonyms)
    if processes < 1:
        raise UsageError("The number of processes is 1 or more")
    policy = policy or safe_harbor()
    source = find_source(source_dir)
    if out_dir.resolve() == source_dir.resolve():
        raise UsageError("The output folder is the source folder", folder=out_dir)
    with _workers(source, processes, spark) as workers:
        run = Run(source, out_dir, policy, workers, progress or NoProgress())
        axes = {subject: axis_of(span, as_of) for subject, span in run.learn(as_of).items()}
        tally = run.write(plan, axes, followed_until(as_of))
    return _report(source, policy, plan, as_of, axes, tally)


def _workers(source: Source, processes: int, spark: SparkSession | None) -> Workers | SparkWorkers:
    if spark is not None:
        from medcairn.core.spark_workers import SparkWorkers

        return SparkWorkers(spark)
    return Workers(min(processes, sum(1 for _ in source.chunks())))


def _check_mode(mode: str) -> None:
    if mode in MODES_TO_COME:
        raise UsageError("This de-identification mode is not built yet", hint="Use safe-harbor")
    if mode not in MODES:
        raise UsageError(
            "There is no such de-identification mode",
            hint="Use safe-harbor; ms-compat is medcairn.deid.ms_compat.ms_compat_folder",
        )


def _report(
    source: Source, policy: Policy, plan: PseudonymPlan, as_of: date, axes: dict[str, Axis], tally: Tally
) -> DeidReport:
    quarantined: dict[str, dict[Reason, int]] = {}
    for (name, reason), count in tally.quarantined.items():
        quarantined.setdefault(name, {})[reason] = count
    return DeidReport(
        mode=Label(policy.name),
        as_of=as_of,
        pseudonyms=plan.facts(),
        policy=Label(f"{policy.name}@{policy.version}"),
        policy_digest=policy.digest,
        zip_table=Label(policy.vocabulary.zip_table),
        files=len(source.files),
        files_passed_over=source.passed_over,
        bytes_read=source.size,
        subjects=len(axes),
        over_89=sum(axis.over_89 for axis in axes.values()),
        read={name: count for name, count in tally.read.items() if count},
        left={name: count for name, count in tally.left.items() if count},
        quarantined=quarantined,
        lost=dict(tally.lost),
    )


__all__ = ["MODES", "MODES_TO_COME", "QUARANTINE", "deidentify"]

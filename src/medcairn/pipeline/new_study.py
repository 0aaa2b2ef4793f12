"""The first ``study.yaml`` of a study, with a word on each key that people change."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import yaml
from pydantic import ValidationError

from medcairn.core.errors import UsageError
from medcairn.core.ledger_settings import PostgresLedger, SqliteLedger

_TEXT = """\
# Settings of a medcairn study. `medcairn schema` prints every key with its meaning.
study:
  name: {name}
  purpose: ""                 # intended use, in one or two sentences; printed on every report

source:
{source}

deid:
  mode: safe-harbor           # 45 CFR 164.514(b)(2), times kept as intervals
  as_of: {as_of}           # the day on which ages are reckoned
  key_file: keys/pseudonym.key

features:
  task: {task}
  set: clinical_core

split:
  held_out_fraction: 0.3      # share of subjects, held back until validation
  later_fraction: 0.4         # share of index dates, the latest: held-out rows come from these

training:
  seed: 20260101
  folds: 5

validation:
  criteria: {task}            # pinned in the ledger before the held-out subjects are read

approval:
  gates: basic                # who must sign what; or part11, or a file of your own

ledger:
  store: {store}
  witnesses: []               # who else keeps its checkpoints: kind folder, objects or timestamp
"""


def settings_text(
    folder: Path,
    *,
    source: str,
    as_of: str | None = None,
    name: str | None = None,
    task: str = "readmission_30d",
    client_id: str | None = None,
    store: SqliteLedger | PostgresLedger | None = None,
) -> str:
    """The text of a new ``study.yaml``; ``store`` is where its ledger is to be kept.

    Raises :class:`UsageError` for a missing folder or a wrong date.
    """
    return _TEXT.format(
        name=_scalar(name or folder.resolve().name),
        source=_source(source, client_id),
        as_of=_day(as_of),
        task=_scalar(task),
        store=_flow((store or SqliteLedger()).model_dump(mode="json", exclude_none=True)),
    )


def ledger_store(
    kind: str, *, schema: str | None, address_file: Path | None, address_env: str | None
) -> SqliteLedger | PostgresLedger:
    """Where a new study keeps its ledger. Raises :class:`UsageError` when the words do not say it."""
    found: SqliteLedger | PostgresLedger | None = None
    given = {"schema_name": schema, "address_file": address_file, "address_env": address_env}
    with suppress(ValidationError):
        words = {name: value for name, value in given.items() if value is not None}
        found = (SqliteLedger if kind == "sqlite" else PostgresLedger).model_validate({"kind": kind, **words})
    if found is None:
        raise UsageError(
            "This does not say where the ledger is kept",
            hint="sqlite, or postgres with one of --ledger-address-env NAME and --ledger-address-file FILE",
        )
    return found


def _source(source: str, client_id: str | None) -> str:
    if source.startswith(("http://", "https://")):
        lines = ["  kind: bulk", f"  base_url: {_scalar(source)}"]
        if client_id:
            lines += [f"  client_id: {_scalar(client_id)}", "  key_file: keys/client.jwk"]
        return "\n".join(lines)
    folder = Path(source)
    if not folder.is_dir():
        raise UsageError(
            "The source folder does not exist", hint="Give a folder or a FHIR base URL", folder=folder
        )
    return f"  kind: files\n  path: {_scalar(str(folder.resolve()))}"


def _day(text: str | None) -> str:
    if text is None:
        return datetime.now(UTC).date().isoformat()
    day: date | None = None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None:
        raise UsageError("--as-of must be a date", hint="As in 2026-01-31")
    return day.isoformat()


def _flow(value: dict[str, str]) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).strip()


def _scalar(text: str) -> str:
    """``text`` as YAML writes it on one line."""
    return yaml.safe_dump(text, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()


__all__ = ["ledger_store", "settings_text"]

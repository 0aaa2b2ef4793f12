"""How a study's pseudonyms are made, and the record of which key was used since when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medcairn.audit import EventType
from medcairn.deid import (
    CrosswalkRun,
    HmacPlan,
    KeyRun,
    KeySource,
    hold_crosswalk,
    key_id,
    load_key,
    read_key_history,
    write_key_history,
)
from medcairn.pipeline.runner import StepContext


@contextmanager
def held_pseudonyms(context: StepContext, *, source: Path, output: Path) -> Iterator[KeyRun | CrosswalkRun]:
    """The key or the crosswalk of the study, for one run of de-identification."""
    study, settings = context.study, context.study.settings.deid
    if settings.pseudonyms == "random":
        with hold_crosswalk(study.crosswalk_file, out_dir=output, source_dir=source) as run:
            yield run
        return
    if settings.key_env is not None or settings.key_command is not None:
        where = KeySource(variable=settings.key_env, command=settings.key_command)
    else:
        where = KeySource(file=study.within(settings.key_file))
    key = load_key(where)
    _note_key(context, key_id(key))
    yield KeyRun(HmacPlan(key))


def _note_key(context: StepContext, key: str) -> None:
    """Another key means other pseudonyms: the ledger says so."""
    study = context.study
    history = read_key_history(study.key_history_file)
    noted = history.used(key, study.clock.now())
    if noted == history:
        return
    if history.current is not None:
        context.ledger.append(
            EventType.KEY_ROTATED,
            actor="pipeline",
            run_id=context.run_id,
            stage=context.step.name,
            record=noted.facts(),
        )
    write_key_history(study.key_history_file, noted)


__all__ = ["held_pseudonyms"]

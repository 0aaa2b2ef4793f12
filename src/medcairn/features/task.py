"""Tasks by name or file: our own short form, or ACES YAML."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from medcairn.core.errors import UsageError
from medcairn.features.aces import AcesTask, is_aces, load_aces
from medcairn.features.leakage import check_task
from medcairn.features.policy_file import parse_mapping, parse_policy, policy_path, read_text
from medcairn.features.task_definition import DeathPolicy, Task, check_definition

BUILT_IN_TASKS = Path(__file__).parent / "tasks"

AnyTask: TypeAlias = Task | AcesTask
"""A task in either form."""


def load_task(name_or_file: str | Path) -> Task:
    """A built-in task by name, or one of your own by its YAML file.

    Raises :class:`~medcairn.core.errors.SettingsError` that names the key at fault, and
    :class:`~medcairn.core.errors.PolicyError` when the definition holds its own answer.
    """
    path = policy_path(str(name_or_file), BUILT_IN_TASKS)
    return _own(read_text(path), path)


def load_any_task(name_or_file: str | Path, *, predicates: Path | None = None) -> AnyTask:
    """A task as :func:`load_task` reads it, or an ACES task: a YAML file that names a trigger.

    ``predicates`` is a file of predicates for an ACES task.
    """
    path = policy_path(str(name_or_file), BUILT_IN_TASKS)
    text = read_text(path)
    if is_aces(parse_mapping(text, path)):
        return load_aces(path, predicates=predicates)
    if predicates is not None:
        raise UsageError("Only an ACES task takes predicates from a file of their own", file=predicates)
    return _own(text, path)


def _own(text: str, path: Path) -> Task:
    task = parse_policy(Task, text, path)
    check_definition(task)
    check_task(task)
    return task


__all__ = ["BUILT_IN_TASKS", "AcesTask", "AnyTask", "DeathPolicy", "Task", "load_any_task", "load_task"]

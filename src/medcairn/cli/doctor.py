"""``medcairn doctor``: what is installed, what is missing, and how to get it.

Looks and does not touch: no package is imported, nothing is written, no host but this one is contacted.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from medcairn.cli.output import JsonFlag, print_json, say
from medcairn.cli.study import StudyFolder

if TYPE_CHECKING:
    from medcairn.core.canonical import JSON

_LEAST_PYTHON: Final = (3, 11)
_LEAST_FREE_GB: Final = 5.0
_BASE: Final = "base"
_REQUIREMENT: Final = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)(?:[^;]*;.*extra\s*==\s*['\"]([^'\"]+)['\"])?"
)
_OWN: Final = "medcairn"
_FOR: Final = {
    "mlflow": "experiment tracking and the model registry",
    "serve": "the prediction service",
    "postgres": "a ledger that a team shares",
    "stores": "exports from object stores",
    "spark": "data that outgrow one machine",
    "dev": "tests and checks of medcairn itself",
}
_MODULES: Final = {"pyjwt": "jwt", "pyyaml": "yaml", "argon2-cffi": "argon2", "scikit-learn": "sklearn"}


class State(StrEnum):
    """How a thing is. ``MISSING`` fails the command when the base needs the thing; ``WARNING`` never does."""

    OK = "ok"
    MISSING = "missing"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``remedy`` says what to do when it is not ``ok``."""

    group: str
    name: str
    state: State
    detail: str
    remedy: str = ""

    @property
    def fails(self) -> bool:
        """Whether medcairn's base does not work without it."""
        return self.group == _BASE and self.state is State.MISSING

    def as_json(self) -> dict[str, JSON]:
        return {
            "group": self.group,
            "name": self.name,
            "state": self.state.value,
            "detail": self.detail,
            "remedy": self.remedy,
        }


def examine(
    study: Path, *, version_of: Callable[[str], str | None], which: Callable[[str], str | None]
) -> list[Finding]:
    """Everything that is looked at, the base first. What is looked up is passed in, so a test can vary it."""
    return [
        *_machine(study),
        _loopback(),
        *_packages(version_of),
        *_programs(which),
        *_study_folders(study),
    ]


def _machine(folder: Path) -> Iterable[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    enough = sys.version_info[:2] >= _LEAST_PYTHON
    yield Finding(
        _BASE,
        "Python",
        State.OK if enough else State.MISSING,
        version,
        "" if enough else "Install Python 3.11 or later",
    )
    yield Finding(_BASE, "Processors", State.OK, f"{os.cpu_count() or 1}")
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    roomy = free >= _LEAST_FREE_GB
    yield Finding(
        _BASE,
        "Free disk",
        State.OK if roomy else State.WARNING,
        f"{free:,.1f} GB",
        "" if roomy else "A study needs several times the size of its export",
    )
    writable = os.access(existing, os.W_OK)
    yield Finding(
        _BASE,
        "Folder can be written",
        State.OK if writable else State.MISSING,
        "yes" if writable else "no",
        "" if writable else "Work in a folder of your own, or give --study DIR",
    )


def _packages(version_of: Callable[[str], str | None]) -> Iterable[Finding]:
    """Each requirement of the installed medcairn, by extra, with the version that is there."""
    for group, name in requirements(importlib.metadata.requires(_OWN) or []):
        version = version_of(name)
        extra = "" if group == _BASE else f"[{group}]"
        remedy = f"pip install 'medcairn{extra}'" + (f" for {_FOR[group]}" if group in _FOR else "")
        if version is None:
            yield Finding(group, name, State.MISSING, "not installed", remedy)
        else:
            yield Finding(group, name, State.OK, version)


def requirements(lines: Iterable[str]) -> list[tuple[str, str]]:
    """(extra or ``base``, package) of PEP 508 requirement lines, the base first; ``all`` is left out."""
    found: list[tuple[str, str]] = []
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match and match[1].lower() != _OWN and match[2] != "all":
            found.append((match[2] or _BASE, match[1]))
    order = {group: position for position, group in enumerate((_BASE, *_FOR))}
    return sorted(found, key=lambda item: (order.get(item[0], len(order)), item[0], item[1].lower()))


def installed_version(name: str) -> str | None:
    """The version of an installed package whose module can be found; nothing is imported."""
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    module = _MODULES.get(name.lower())
    return version if module is None or importlib.util.find_spec(module) is not None else None


def _programs(which: Callable[[str], str | None]) -> Iterable[Finding]:
    for group, name, commands, remedy in (
        ("spark", "Java", ("java",), "Install a JDK 17, e.g. apt install openjdk-17-jre-headless"),
        ("dev", "Chromium", ("chromium", "chromium-browser", "google-chrome"), "e.g. apt install chromium"),
        ("packaging", "Docker client", ("docker", "podman"), "Needed only to build the packaged container"),
    ):
        found = next((path for command in commands if (path := which(command)) is not None), None)
        if found is None:
            yield Finding(group, name, State.MISSING, "not found", remedy)
        else:
            yield Finding(group, name, State.OK, found)


def _study_folders(study: Path) -> Iterable[Finding]:
    """The zones of a study that nobody else may read, when there is a study."""
    if not (study / "study.yaml").is_file():
        return
    for name in ("phi", "keys"):
        folder = study / name
        if not folder.is_dir():
            yield Finding("study", f"{name}/", State.OK, "not made yet")
            continue
        mode = stat.S_IMODE(folder.stat().st_mode)
        private = mode & 0o077 == 0
        writable = os.access(folder, os.W_OK)
        remedy = f"chmod 700 {folder}" if not private else "" if writable else "Check the folder's owner"
        state = State.OK if private and writable else State.WARNING
        detail = f"mode {mode:04o}" + ("" if writable else ", cannot be written")
        yield Finding("study", f"{name}/", state, detail, remedy)


def _loopback() -> Finding:
    """Whether a server can listen on this machine, as the demonstration's do."""
    port = 0
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
    except OSError:
        port = 0
    if port:
        return Finding(_BASE, "Loopback port", State.OK, "one is free")
    return Finding(
        _BASE, "Loopback port", State.MISSING, "none can be opened", "Check the sandbox or firewall"
    )


def _print_table(findings: list[Finding]) -> None:
    """One block a group: a mark, the name, what was found, what to do."""
    marks = {State.OK: "✓", State.MISSING: "✗", State.WARNING: "!"}
    width = max(len(finding.name) for finding in findings)
    groups = dict.fromkeys(finding.group for finding in findings)
    for group in groups:
        say(f"{group}" + (f"  ({_FOR[group]})" if group in _FOR else ""))
        for finding in (one for one in findings if one.group == group):
            line = f"  {marks[finding.state]} {finding.name:<{width}}  {finding.detail}"
            say(line + (f"  → {finding.remedy}" if finding.remedy else ""))
    lacking = [finding.name for finding in findings if finding.fails]
    say(
        f"Missing, and needed: {', '.join(lacking)}" if lacking else "Everything that the base needs is here."
    )


def register(app: typer.Typer) -> None:
    """Add ``medcairn doctor``."""

    @app.command("doctor")
    def doctor(study: StudyFolder = Path(), as_json: JsonFlag = False) -> None:
        """Show what is installed, what is missing, and how to get it.

        Ends with 0 when everything that the base needs is there, else with 6; extras may be missing.

        Example: medcairn doctor
        """
        findings = examine(study, version_of=installed_version, which=shutil.which)
        lacking = any(finding.fails for finding in findings)
        if as_json:
            print_json({"complete": not lacking, "findings": [finding.as_json() for finding in findings]})
        else:
            _print_table(findings)
        if lacking:
            raise typer.Exit(6)

"""The surface for programs: every example of docs/python.md runs, and sessions of signing are kept."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import medcairn
from access.conftest import CHEAP
from medcairn import ElectronicSignature
from medcairn.access import Meaning, Passwords
from medcairn.audit import EventType
from medcairn.core.errors import IntegrityError, UsageError
from medcairn.core.lifecycle import LifecycleState
from medcairn.pipeline.study import Study
from pipeline.governed import WORDS, add_version, governed_study

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.fixture(autouse=True)
def cheap() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medcairn.access.people.Passwords", lambda: Passwords(CHEAP))
        yield


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return governed_study(tmp_path / "diabetes")


def test_every_example_of_the_page_runs(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_version(study, "1", reached=LifecycleState.SHADOW)
    monkeypatch.chdir(study.root.parent)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, object] = {"password": WORDS}
    for number, block in enumerate(blocks):
        exec(compile(block, f"python.md, block {number}", "exec"), names)  # noqa: S102
    printed = capsys.readouterr().out
    assert "Dr bea" in printed
    assert "Alerts doubled overnight" in printed
    assert "True ()" in printed
    assert sorted(file.name for file in Path(str(names["folder"])).iterdir()) == [
        "fda-audit.json",
        "fda-audit.pdf",
    ]
    assert len(study.events(EventType.GATE_REFUSED)) == 1


def test_the_page_names_everything_and_importing_costs_nothing() -> None:
    for name in medcairn.__all__:
        assert getattr(medcairn, name)
    assert set(re.findall(r"^## .*`(\w+)`", PAGE.read_text("utf-8"), flags=re.MULTILINE)) == {
        name for name in medcairn.__all__ if not name.startswith("_")
    }
    code = "import sys, medcairn; print([m for m in sys.modules if m.startswith('medcairn.')])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.part11("11.70")
def test_a_signature_that_the_ledger_does_not_hold_is_refused(study: Study) -> None:
    signatures = ElectronicSignature(study)
    made = signatures.sign("protocol", "bea", WORDS, meaning=Meaning.APPROVED)
    assert signatures.verify(made).owner == "bea"
    with pytest.raises(IntegrityError):
        signatures.verify(replace(made, printed_name="Dr Somebody"))


def test_what_there_is_not_cannot_be_signed(study: Study) -> None:
    signatures = ElectronicSignature(study)
    for what in ("candidate", "change-control"):
        with pytest.raises(UsageError):
            signatures.sign(what, "bea", WORDS, meaning=Meaning.APPROVED)

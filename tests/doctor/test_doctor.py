"""``medcairn doctor``: says what is there, and fails only for what the base needs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from medcairn.cli import doctor
from medcairn.cli.doctor import Finding, State, examine, installed_version, requirements
from medcairn.cli.main import run

LINES = [
    "duckdb>=1.4",
    "psycopg[binary]>=3.2; extra == 'postgres'",
    'mlflow<4,>=3.17; extra == "mlflow"',
    "medcairn[mlflow,serve]; extra == 'all'",
    "mlflow<4,>=3.17; extra == 'all'",
    "argon2-cffi>=25.1",
    "pywin32; sys_platform == 'win32' and extra == 'serve'",
]


def everything(name: str) -> str | None:
    return "1.0"


def found(findings: list[Finding], name: str) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def test_requirements_are_sorted_into_base_and_extras() -> None:
    assert requirements(LINES) == [
        ("base", "argon2-cffi"),
        ("base", "duckdb"),
        ("mlflow", "mlflow"),
        ("serve", "pywin32"),
        ("postgres", "psycopg"),
    ]


def test_every_requirement_of_the_project_is_looked_at(tmp_path: Path) -> None:
    names = {finding.name for finding in examine(tmp_path, version_of=everything, which=everything)}
    assert {
        "duckdb",
        "httpx",
        "pyjwt",
        "mlflow",
        "pyspark",
        "psycopg",
        "fastapi",
        "Java",
        "Chromium",
    } <= names


@pytest.mark.parametrize(("package", "fails"), [("duckdb", True), ("mlflow", False), ("pyspark", False)])
def test_only_what_the_base_needs_fails(tmp_path: Path, package: str, fails: bool) -> None:
    findings = examine(tmp_path, version_of=lambda name: None if name == package else "1", which=everything)
    finding = found(findings, package)
    assert finding.state is State.MISSING
    assert finding.fails is fails
    assert "pip install 'medcairn" in finding.remedy
    assert any(one.fails for one in findings) is fails


def test_missing_programs_come_with_a_remedy(tmp_path: Path) -> None:
    findings = examine(tmp_path, version_of=everything, which=lambda _: None)
    for name in ("Java", "Chromium", "Docker client"):
        assert found(findings, name).state is State.MISSING
        assert found(findings, name).remedy
    assert not any(finding.fails for finding in findings)


def test_a_readable_phi_folder_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("study: {}")
    (tmp_path / "phi").mkdir(mode=0o755)
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "phi").chmod(0o755)
    findings = examine(tmp_path, version_of=everything, which=everything)
    assert found(findings, "phi/").state is State.WARNING
    assert "chmod 700" in found(findings, "phi/").remedy
    assert found(findings, "keys/").state is State.OK


def test_without_a_study_no_study_is_judged(tmp_path: Path) -> None:
    assert all(one.group != "study" for one in examine(tmp_path, version_of=everything, which=everything))


def test_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    findings = examine(tmp_path / "new" / "study", version_of=everything, which=everything)
    assert found(findings, "Folder can be written").state is State.OK


def test_versions_are_looked_up_without_import() -> None:
    assert installed_version("pyjwt")
    assert installed_version("there-is-no-such-package") is None


def _doctor(monkeypatch: pytest.MonkeyPatch, version_of: Callable[[str], str | None], *more: str) -> int:
    monkeypatch.setattr(doctor, "installed_version", version_of)
    return run(["doctor", *more])


def test_the_exit_code_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _doctor(monkeypatch, everything, "--study", str(tmp_path)) == 0
    assert "Everything that the base needs is here." in capsys.readouterr().out
    assert _doctor(monkeypatch, lambda _: None, "--study", str(tmp_path)) == 6
    assert "Missing, and needed:" in capsys.readouterr().out


def test_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _doctor(monkeypatch, everything, "--json", "--study", str(tmp_path)) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["complete"] is True
    assert {"group", "name", "state", "detail", "remedy"} == set(document["findings"][0])


def test_it_imports_nothing_heavy() -> None:
    program = (
        "import sys; from medcairn.cli.main import run; run(['doctor', '--json']);"
        "heavy = {'mlflow', 'duckdb', 'sklearn', 'pyarrow', 'numpy', 'pyspark', 'httpx'} & set(sys.modules);"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()

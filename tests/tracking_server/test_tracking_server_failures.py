"""A guard that raises, a ledger that cannot be written, a setting that leads round: closed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medcairn.audit import EventType
from medcairn.core.errors import MedcairnError, SettingsError, StorageError, UsageError
from medcairn.core.labels import Label
from medcairn.phi import PhiDetector, PhiFinding
from medcairn.tracking.server.app import Guards
from medcairn.tracking.server.canary import check_canaries
from medcairn.tracking.server.factory import guarded
from medcairn.tracking.server.running import ServerOptions, prepare
from medcairn.tracking.server.settings import FOLDER_VARIABLE, ServerFolder
from medcairn.tracking.server.startup import GuardNotWhole, check_environment, check_locations

from .in_process import Ask, Trap, ask
from .test_tracking_server_routes import _signed_in
from .tracking_server import make_folder

BATCH = Ask("POST", "/api/2.0/mlflow/runs/log-batch", headers=_signed_in("dora"))


class _Raising(PhiDetector):
    """A detector with a fault, which puts what it read into its message."""

    def find_in_json(self, value: object, *, location: Label) -> list[PhiFinding]:
        raise ValueError(f"cannot read {value}")


class _Blind(PhiDetector):
    """A detector that finds nothing."""

    def find(self, text: str, *, location: Label, cue: str = "") -> list[PhiFinding]:
        return []

    def find_in_json(self, value: object, *, location: Label) -> list[PhiFinding]:
        return []


def _with_detector(guards: Guards, detector: PhiDetector) -> Guards:
    return replace(guards, guard=replace(guards.guard, detector=detector))


def test_a_guard_that_raises_closes_without_a_word_of_what_it_read(
    guards: Guards, capfd: pytest.CaptureFixture[str]
) -> None:
    trap = Trap()
    told = replace(BATCH, body=b'{"run_id": "417-82-6350"}')
    (answer,) = ask(_with_detector(guards, _Raising(b"k" * 32)), trap, told)
    assert (answer.status_code, trap.reached) == (500, 0)
    assert "417" not in answer.text + "".join(capfd.readouterr())


def test_a_detector_that_finds_nothing_lets_no_server_start(guards: Guards) -> None:
    with pytest.raises(GuardNotWhole) as refused:
        check_canaries(_with_detector(guards, _Blind(b"k" * 32)))
    assert refused.value.fields["probe"] == "batch"


def test_a_guard_that_refuses_everything_lets_no_server_start(guards: Guards) -> None:
    with pytest.raises(GuardNotWhole):
        check_canaries(_with_detector(guards, _Raising(b"k" * 32)))


def test_the_canaries_of_a_whole_guard_pass(guards: Guards) -> None:
    check_canaries(guards)


class _FullDisk:
    """A ledger that fails until it is told that there is room."""

    def __init__(self) -> None:
        self.full, self.kept = True, 0

    def append(self, kind: EventType, *, actor: str, record: object) -> None:
        if self.full:
            raise StorageError("The disk is full")
        self.kept += 1


def test_without_an_audit_trail_nothing_is_answered_and_then_nothing_is_done(guards: Guards) -> None:
    from medcairn.tracking.server.recording import AccessRecorder

    ledger, trap = _FullDisk(), Trap()
    failing = replace(guards, recorder=AccessRecorder(ledger))  # type: ignore[arg-type]
    first, second = ask(failing, trap, BATCH, BATCH)
    assert (first.status_code, second.status_code) == (503, 503)
    assert trap.reached == 1, "the first failure shows itself after MLflow, the next request stops before"
    ledger.full = False
    (third,) = ask(failing, trap, BATCH)
    assert (third.status_code, trap.reached) == (200, 2)


GOOD = {
    "_MLFLOW_SERVER_FILE_STORE": "sqlite:///mlflow.db",
    "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
    "_MLFLOW_SGI_NAME": "uvicorn",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
BAD = [
    ("_MLFLOW_SERVER_SERVE_ARTIFACTS", ""),
    ("_MLFLOW_SERVER_ARTIFACT_ROOT", "s3://bucket/runs"),
    ("_MLFLOW_SERVER_ARTIFACT_ROOT", "./mlartifacts"),
    ("_MLFLOW_SERVER_ARTIFACTS_ONLY", "true"),
    ("_MLFLOW_SERVER_FILE_STORE", "./mlruns"),
    ("_MLFLOW_SGI_NAME", "gunicorn"),
    ("_MLFLOW_SGI_NAME", "waitress"),
    ("_MLFLOW_SERVER_STATIC_PREFIX", "/tracking"),
    ("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true"),
    ("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "1"),
    ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", ""),
    ("MLFLOW_ENABLE_WORKSPACES", "true"),
    ("MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS", "true"),
    ("MLFLOW_ENABLE_REMOTE_ASSISTANT", "true"),
    ("MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", "true"),
    ("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "*"),
    ("MLFLOW_SERVER_ALLOWED_HOSTS", "a,*"),
]


def test_settings_that_lead_nowhere_else_pass() -> None:
    check_environment(GOOD)


@pytest.mark.parametrize(("variable", "value"), BAD)
def test_settings_that_lead_round_the_guard_are_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(GuardNotWhole) as refused:
        guarded({**GOOD, variable: value})
    assert refused.value.fields["variable"] == variable


def test_experiments_whose_artifacts_lie_elsewhere_are_counted() -> None:
    check_locations(["mlflow-artifacts:/0"])
    with pytest.raises(GuardNotWhole) as refused:
        check_locations(["mlflow-artifacts:/0", "s3://bucket/1", "/var/2"])
    assert refused.value.fields["experiments"] == 2


@pytest.mark.parametrize("missing", ["people.db", "ledger.db", "keys/ledger.key", "keys/phi-guard.key"])
def test_a_server_without_one_of_its_files_does_not_start(tmp_path: Path, missing: str) -> None:
    prepare(ServerOptions(make_folder(tmp_path)))
    (tmp_path / missing).unlink()
    from medcairn.tracking.server.factory import build_guards

    with pytest.raises(UsageError):
        build_guards(ServerFolder(tmp_path), None, None)  # type: ignore[arg-type]


def test_a_server_without_a_folder_or_people_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        guarded(GOOD)
    with pytest.raises(UsageError):
        guarded({**GOOD, FOLDER_VARIABLE: str(tmp_path / "none")})
    with pytest.raises(UsageError, match="Nobody could sign in"):
        prepare(ServerOptions(tmp_path))


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"host": "192.0.2.7"}, UsageError),
        ({"artifacts": "http://elsewhere/store"}, UsageError),
    ],
)
def test_options_that_are_refused(tmp_path: Path, changed: dict[str, str], kind: type[MedcairnError]) -> None:
    with pytest.raises(kind):
        prepare(ServerOptions(make_folder(tmp_path), **changed))  # type: ignore[arg-type]


def test_settings_are_named_by_key_and_never_by_value(tmp_path: Path) -> None:
    (tmp_path / "tracking-server.yaml").write_text("secret_value: 7\n")
    with pytest.raises(SettingsError) as refused:
        ServerFolder(tmp_path).settings()
    assert "7" not in str(refused.value.message)

"""Where a pseudonym key may come from, what is refused, and what a report may say about it."""

from __future__ import annotations

import base64
import stat
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.errors import ExternalError, IntegrityError, MedcairnError, TransientError, UsageError
from medcairn.deid.key_history import KeyHistory, read_key_history, write_key_history
from medcairn.deid.keys import KeySource, key_id, load_key, read_key

SECRET = bytes(range(100, 132))
NOW = datetime(2025, 6, 30, 12, tzinfo=UTC)


def private(path: Path, content: bytes) -> Path:
    """A file of mode 0600."""
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def command(program: str, timeout_seconds: float = 20.0) -> KeySource:
    """A key command that is a Python program."""
    return KeySource(command=(sys.executable, "-c", program), timeout_seconds=timeout_seconds)


def writes(data: bytes) -> KeySource:
    """A key command that writes ``data``."""
    return command(f"import sys; sys.stdout.buffer.write({data!r})")


FORMS = {
    "hex": SECRET.hex().encode(),
    "hex in capitals, with a line end": SECRET.hex().upper().encode() + b"\n",
    "base64": base64.b64encode(SECRET),
    "base64 without padding": base64.b64encode(SECRET).rstrip(b"="),
    "URL-safe base64": base64.urlsafe_b64encode(SECRET) + b"\n",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_one_key_is_the_same_key_from_every_place_and_in_every_form(tmp_path: Path, form: bytes) -> None:
    assert load_key(KeySource(file=private(tmp_path / "key", form))) == SECRET
    assert load_key(KeySource(variable="THE_KEY"), environ={"THE_KEY": form.decode()}) == SECRET
    assert load_key(writes(form)) == SECRET


def test_raw_bytes_come_from_files_and_commands_as_they_are(tmp_path: Path) -> None:
    raw = bytes(range(256))[128:]
    assert load_key(KeySource(file=private(tmp_path / "key", raw))) == raw
    assert load_key(writes(raw)) == raw


@given(st.binary(min_size=32, max_size=64).filter(lambda key: bool(key.strip(b"\0 \t\r\n"))))
def test_every_long_enough_key_survives_hex_and_base64(key: bytes) -> None:
    for text in (key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()):
        assert load_key(KeySource(variable="K"), environ={"K": text}) == key


WEAK = {
    "empty": b"",
    "a word": b"opensesame",
    "31 bytes": SECRET[:31],
    "31 bytes as hex": SECRET[:31].hex().encode(),
    "16 bytes as hex, which are 32 characters": SECRET[:16].hex().encode(),
    "24 bytes as base64, which are 32 characters": base64.b64encode(SECRET[:24]),
    "zeros as hex": b"0" * 64,
    "zeros": bytes(32),
    "blanks": b" " * 64,
    "65 hex digits": b"a" * 65,
    "a sentence": b"An error occurred (AccessDenied) when calling the Decrypt operation",
}


@pytest.mark.parametrize("weak", WEAK.values(), ids=WEAK.keys())
def test_short_and_blank_keys_are_refused_wherever_they_come_from(tmp_path: Path, weak: bytes) -> None:
    sources = [KeySource(file=private(tmp_path / "key", weak)), writes(weak)]
    for source in sources:
        with pytest.raises(UsageError) as refused:
            load_key(source)
        assert not weak.strip() or weak.decode("latin-1") not in str(refused.value)
    with pytest.raises(UsageError):
        load_key(KeySource(variable="K"), environ={"K": weak.decode("latin-1")})


def test_a_variable_that_is_absent_or_no_text_of_a_key_is_refused_without_its_value() -> None:
    with pytest.raises(UsageError):
        load_key(KeySource(variable="K"), environ={})
    with pytest.raises(UsageError) as refused:
        load_key(KeySource(variable="K"), environ={"K": "correct horse battery staple! correct horse"})
    assert "horse" not in str(refused.value)
    assert refused.value.__context__ is None


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDCAIRN_TEST_KEY", SECRET.hex())
    assert load_key(KeySource(variable="MEDCAIRN_TEST_KEY")) == SECRET


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"file": Path("a"), "variable": "B"},
        {"variable": "B", "command": ("c",)},
        {"variable": "not a name"},
        {"variable": SECRET.hex() + "="},
        {"command": ()},
        {"command": ("",)},
        {"command": ("a", "b\0c")},
        {"command": ("a",), "timeout_seconds": 0},
        {"command": ("a",), "timeout_seconds": float("nan")},
    ],
)
def test_a_source_that_says_nothing_or_too_much_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(UsageError) as refused:
        KeySource(**given)  # type: ignore[arg-type]
    assert SECRET.hex() not in str(refused.value)


class TestCommands:
    """The client of a key service, run without a shell."""

    def test_no_shell_reads_the_arguments(self, tmp_path: Path) -> None:
        marker = tmp_path / "marker"
        source = KeySource(command=("echo", f"$(touch {marker});", "`id`", "&&", "false"))
        with pytest.raises(UsageError):
            load_key(source)
        assert not marker.exists()

    def test_a_failure_is_told_by_its_status_and_nothing_that_it_wrote(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        key = SECRET.hex()
        program = f"import sys; print({key!r}); print('token {key}', file=sys.stderr); sys.exit(7)"
        with pytest.raises(ExternalError) as failed:
            load_key(command(program))
        assert failed.value.fields["status"] == 7
        assert SECRET.hex() not in str(failed.value)
        assert capfd.readouterr() == ("", "")

    def test_success_echoes_nothing_either(self, capfd: pytest.CaptureFixture[str]) -> None:
        program = f"import sys; print({SECRET.hex()!r}); print('using profile x', file=sys.stderr)"
        assert load_key(command(program)) == SECRET
        assert capfd.readouterr() == ("", "")

    def test_a_program_that_does_not_exist_or_may_not_run(self, tmp_path: Path) -> None:
        for program in (tmp_path / "absent", private(tmp_path / "plain", b"not a program")):
            with pytest.raises(UsageError) as refused:
                load_key(KeySource(command=(str(program), "--secret=hidden")))
            assert "hidden" not in str(refused.value) + repr(KeySource(command=(str(program), "hidden")))
            assert refused.value.__context__ is None

    def test_time_runs_out_for_it_and_for_what_it_started(self) -> None:
        child = (
            "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
        )
        begun = time.monotonic()
        with pytest.raises(TransientError) as late:
            load_key(command(child, timeout_seconds=0.5))
        assert time.monotonic() - begun < 10
        assert late.value.fields["timeout_seconds"] == 0.5

    def test_one_that_closes_its_output_and_goes_on_is_stopped_too(self) -> None:
        with pytest.raises(TransientError):
            load_key(command("import os, time; os.close(1); time.sleep(60)", timeout_seconds=0.5))

    def test_endless_output_is_cut_off(self) -> None:
        with pytest.raises(ExternalError):
            load_key(KeySource(command=("yes", SECRET.hex())))

    def test_it_has_no_input_to_wait_for(self) -> None:
        program = f"import sys; sys.stdin.read(); print({SECRET.hex()!r})"
        assert load_key(command(program)) == SECRET

    def test_a_signal_is_a_failure(self) -> None:
        with pytest.raises(ExternalError) as failed:
            load_key(command("import os, signal; os.kill(os.getpid(), signal.SIGTERM)"))
        assert failed.value.fields["status"] == -15


class TestHistory:
    """Rotation is on record, by fingerprint."""

    def test_a_rotation_names_the_key_before_and_reveals_neither(self, tmp_path: Path) -> None:
        old, new = key_id(SECRET), key_id(SECRET[::-1])
        history = KeyHistory().used(old, NOW).used(old, NOW + timedelta(days=1))
        assert history.facts() == {"key_id": old, "rotated_from": None, "rotations": 0}
        history = history.used(new, NOW + timedelta(days=90))
        assert history.facts() == {"key_id": new, "rotated_from": old, "rotations": 1}
        file = tmp_path / "keys.json"
        write_key_history(file, history)
        assert read_key_history(file) == history
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "2025-06-30T12:00:00Z" in file.read_text()
        assert SECRET.hex()[:16] not in file.read_text()

    def test_a_key_that_returns_is_a_rotation(self) -> None:
        history = KeyHistory()
        for day, name in enumerate(("aaaaaaaa", "bbbbbbbb", "aaaaaaaa")):
            history = history.used(name, NOW + timedelta(days=day))
        assert (history.rotated_from, history.facts()["rotations"]) == ("bbbbbbbb", 2)

    def test_there_is_none_before_the_first_use(self, tmp_path: Path) -> None:
        assert read_key_history(tmp_path / "absent") == KeyHistory()

    def test_time_does_not_run_backwards(self) -> None:
        history = KeyHistory().used("aaaaaaaa", NOW)
        with pytest.raises(UsageError):
            history.used("bbbbbbbb", NOW - timedelta(seconds=1))
        with pytest.raises(UsageError):
            history.used("bbbbbbbb", NOW.replace(tzinfo=None))

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"[]",
            b"{}",
            b'{"version":2,"uses":[]}',
            b'{"version":1,"uses":[{"key_id":"Jane Doe","since":"2025-06-30T12:00:00Z"}]}',
            b'{"version":1,"uses":[{"key_id":"aaaaaaaa","since":"yesterday"}]}',
            b"\xff",
        ],
    )
    def test_a_damaged_record_is_not_taken_for_an_empty_one(self, tmp_path: Path, content: bytes) -> None:
        with pytest.raises(IntegrityError) as damaged:
            read_key_history(private(tmp_path / "keys.json", content))
        assert "Jane" not in str(damaged.value)

    def test_the_fingerprint_needs_its_form(self) -> None:
        with pytest.raises(MedcairnError):
            KeyHistory().used("Jane", NOW)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = private(tmp_path / "key", SECRET)
    file.chmod(0o640)
    with pytest.raises(UsageError):
        read_key(file)

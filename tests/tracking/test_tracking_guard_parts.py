"""The parts of the guard by themselves: taking values apart, closing, streams, folders, spans."""

from __future__ import annotations

import asyncio
import io
import pickle
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from medcairn.core.errors import DataError
from medcairn.tracking import PhiRefused, store_call
from medcairn.tracking.guard import judgement
from medcairn.tracking.guard.artifact_repositories import guarded_repository
from medcairn.tracking.guard.plain import plain
from medcairn.tracking.guard.stores import guarded_store
from medcairn.tracking.guard.traces import guarded_processor

SECRET = "536-22-8891"
TEXT = f"patient with SSN {SECRET}"


@pytest.fixture(autouse=True)
def block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDCAIRN_PHI_GUARD", "block")


class _Slotted:
    __slots__ = ("_inner", "unset")

    def __init__(self, inner: object) -> None:
        self._inner = inner


@dataclass
class _Record:
    key: str
    _values: tuple[object, ...]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (Param("a", "b"), {"key": "a", "value": "b"}),
        (RunTag("a", "b"), {"key": "a", "value": "b"}),
        (_Slotted("x"), {"inner": "x"}),
        (_Record("a", (b"bytes", {"s"})), {"key": "a", "values": ["bytes", ["s"]]}),
        ({1: date(1950, 1, 2)}, {"1": "1950-01-02"}),
        (Path("a/b"), "a/b"),
        (len, None),
        (_Record, None),
    ],
)
def test_a_value_is_taken_apart(value: object, found: object) -> None:
    assert plain(value) == found


def test_a_metric_of_mlflow_is_taken_apart() -> None:
    found = plain([Metric("auroc", 0.7, 1, 2)])
    assert isinstance(found, list)
    assert isinstance(found[0], dict)
    assert found[0]["key"] == "auroc"


nested = st.recursive(
    st.text(max_size=5),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
        inner.map(_Slotted),
        inner.map(lambda value: _Record("k", (value,))),
    ),
)


@given(nested)
def test_no_text_is_lost_on_the_way(value: object) -> None:
    assert sorted(_texts(value)) == sorted(_texts(plain(value)))


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, _Slotted):
        return _texts({"inner": value._inner})
    if isinstance(value, _Record):
        return _texts({"key": value.key, "values": value._values})
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (*_texts(str(key)), *_texts(item))]
    return [text for item in value for text in _texts(item)] if isinstance(value, (list, tuple)) else []


def test_what_cannot_be_taken_apart_is_refused() -> None:
    deep: object = "x"
    for _ in range(70):
        deep = [deep]
    for value in (iter(["x"]), deep):
        with pytest.raises(DataError):
            plain(value)
    circle: list[object] = []
    circle.append(circle)
    assert plain(circle) == [None]


class _Store:
    """What a store of MLflow looks like to the guard."""

    def __init__(self) -> None:
        self.done: list[object] = []

    def log_param(self, run_id: str, param: Param) -> None:
        self.done.append(param)

    def log_everything_new(self, *items: object, **more: object) -> None:
        self.done.append(items)

    def search_runs(self, filter_string: str) -> str:
        return filter_string

    def delete_tag(self, run_id: str, key: str) -> None:
        self.done.append(key)

    def log_batch(self, run_id: str) -> None:
        self.log_everything_new(run_id)


def refusal(call: Any, *given: object, **named: object) -> str:
    with pytest.raises(MlflowException) as refused:
        call(*given, **named)
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    assert refused.value.__context__ is None
    assert SECRET not in str(refused.value)
    return str(refused.value)


def test_a_method_that_mlflow_adds_is_searched_and_reads_are_not() -> None:
    store = guarded_store(_Store())
    assert isinstance(store, _Store)
    assert "log_param.param.value looks like ssn" in refusal(store.log_param, "r", Param("a", TEXT))
    assert "looks like ssn" in refusal(store.log_everything_new, "clean", TEXT)
    assert "looks like ssn" in refusal(store.log_everything_new, more={"deep": [TEXT]})
    assert store.done == []
    assert store.search_runs(TEXT) == TEXT
    store.delete_tag("r", f"ssn {SECRET}")
    store.log_batch("clean")
    assert len(store.done) == 2


def test_our_own_door_to_mlflow_tells_the_refusal() -> None:
    store = guarded_store(_Store())
    with pytest.raises(PhiRefused) as refused:
        store_call("log-param", store.log_param, "r", Param("a", TEXT))
    assert refused.value.fields == {"field": "log_param.param.value", "found": "ssn", "findings": 1}
    assert refused.value.__context__ is None


def test_a_wrong_call_is_refused_and_still_a_wrong_call_when_off(monkeypatch: pytest.MonkeyPatch) -> None:
    store = guarded_store(_Store())
    assert "could not be checked (TypeError)" in refusal(store.log_param, "one argument")
    monkeypatch.setenv("MEDCAIRN_PHI_GUARD", "off")
    with pytest.raises(TypeError):
        store.log_param("one argument")  # type: ignore[call-arg]
    store.log_param("r", Param("a", TEXT))
    assert len(store.done) == 1


@pytest.mark.parametrize("raised", [ZeroDivisionError(TEXT), RecursionError(TEXT), MemoryError()])
def test_a_guard_that_raises_is_closed(raised: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_in_json(self, *_: object, **__: object) -> None:
            raise raised

    monkeypatch.setattr(judgement, "detector", Broken)
    store = guarded_store(_Store())
    told = refusal(store.log_param, "r", Param("a", "clean"))
    assert f"could not be checked ({type(raised).__name__})" in told
    assert store.done == []


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"short", "usage:"), (None, "usage:MEDCAIRN_PHI_KEY_FILE"), (b"0123456789abcdef", None)],
)
def test_the_key_file(
    content: bytes | None, told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
    monkeypatch.setenv("MEDCAIRN_PHI_KEY_FILE", str(key))
    store = guarded_store(_Store())
    if told is None:
        store.log_param("r", Param("a", "clean"))
    else:
        assert told in refusal(store.log_param, "r", Param("a", "clean"))


class _Repository:
    """A repository that sends a folder file by file, as the one for servers does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept: dict[str, bytes] = {}

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        self.kept[f"{artifact_path or ''}/{Path(local_file).name}"] = Path(local_file).read_bytes()

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        for file in Path(local_dir).rglob("*.txt"):
            self.log_artifact(str(file), artifact_path)

    def log_artifact_from_stream(
        self, stream: io.BytesIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        self.kept[artifact_file_name] = stream.read()

    async def log_artifact_from_async_stream(
        self, chunks: AsyncIterator[bytes], artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        self.kept[artifact_file_name] = b"".join([chunk async for chunk in chunks])

    def upload_trace_data(self, trace_data: str) -> None:
        self.kept["traces.json"] = trace_data.encode()

    def upload_attachment(self, attachment_id: str, content_bytes: bytes) -> None:
        self.kept[attachment_id] = content_bytes

    def list_artifacts(self, path: str | None = None) -> str | None:
        return path


def test_a_folder_is_searched_whole_before_any_of_it_goes(tmp_path: Path) -> None:
    for name, content in {"a.txt": "clean", "b/c.txt": TEXT, "d.txt": "clean"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "b" / "around").symlink_to(tmp_path)
    repository = guarded_repository(_Repository(tmp_path))
    assert "refused log_artifacts[1]: artifact" in refusal(repository.log_artifacts, str(tmp_path))
    assert repository.kept == {}
    (tmp_path / "b" / "c.txt").write_text("clean")
    (tmp_path / "b" / "around").unlink()
    repository.log_artifacts(str(tmp_path), "folder")
    assert len(repository.kept) == 3


@pytest.mark.parametrize("folder", [None, f"ssn {SECRET}"])
def test_a_name_is_searched_with_its_folder(folder: str | None, tmp_path: Path) -> None:
    file = tmp_path / ("a.txt" if folder else f"ssn {SECRET}.txt")
    file.write_text("clean")
    repository = guarded_repository(_Repository(tmp_path))
    assert "looks like ssn" in refusal(repository.log_artifact, str(file), folder)
    assert repository.list_artifacts(SECRET) == SECRET


def test_streams_traces_and_attachments(tmp_path: Path) -> None:
    repository = guarded_repository(_Repository(tmp_path))

    async def chunks(text: str) -> AsyncIterator[bytes]:
        for start in range(0, len(text), 7):
            yield text[start : start + 7].encode()

    def stream_asynchronously(text: str) -> None:
        asyncio.run(repository.log_artifact_from_async_stream(chunks(text), "async.txt", "folder"))

    name = str(uuid.UUID(int=7))
    for call in (
        lambda text: repository.log_artifact_from_stream(io.BytesIO(text.encode()), "stream.txt"),
        stream_asynchronously,
        lambda text: repository.upload_trace_data(f'{{"spans": [{{"attributes": {{"note": "{text}"}}}}]}}'),
    ):
        assert "looks like ssn" in refusal(call, TEXT)
        call("clean")
    refusal(repository.upload_attachment, name, TEXT.encode())
    assert repository.kept["stream.txt"] == b"clean"
    assert repository.kept["async.txt"] == b"clean"
    assert "traces.json" in repository.kept
    assert SECRET.encode() not in b"".join(repository.kept.values())


def test_a_pickle_is_searched_and_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "loaded",))

    repository = guarded_repository(_Repository(tmp_path))
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"coefficients": [0.1, 0.2]}))
    repository.log_artifact(str(tmp_path / "model.pkl"))
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"note": TEXT, "bomb": Bomb()}))
    refusal(repository.log_artifact, str(tmp_path / "model.pkl"))
    assert not (tmp_path / "loaded").exists()


@pytest.fixture
def collector() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(collector: InMemorySpanExporter) -> Any:
    """A tracer of OpenTelemetry with the guard in front of its exporter, as to a collector."""
    provider = TracerProvider()
    provider.add_span_processor(guarded_processor(SimpleSpanProcessor(collector)))
    return provider.get_tracer("test")


def test_a_span_to_another_collector_is_dropped_too(tracer: Any, collector: InMemorySpanExporter) -> None:
    changes: list[Callable[[Any], None]] = [
        lambda span: span.set_attribute("note", TEXT),
        lambda span: span.set_attribute("notes", [TEXT]),
        lambda span: span.add_event("seen", {"note": TEXT}),
        lambda span: span.add_event(TEXT),
        lambda span: span.record_exception(ValueError(TEXT)),
        lambda span: span.update_name(TEXT),
        lambda span: span.set_attribute("rows", 3),
    ]
    for change in changes:
        with tracer.start_as_current_span("work") as span:
            change(span)
    assert [span.attributes for span in collector.get_finished_spans()] == [{"rows": 3}]


def test_a_span_that_cannot_be_searched_is_dropped(
    tracer: Any, collector: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise OSError(TEXT)

    monkeypatch.setattr(judgement, "detector", broken)
    with tracer.start_as_current_span("work"):
        pass
    assert collector.get_finished_spans() == ()

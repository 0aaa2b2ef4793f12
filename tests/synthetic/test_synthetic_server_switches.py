"""The record of requests, and the switches by name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medcairn.core.errors import UsageError
from medcairn.synthetic.server import ALWAYS, Faults, Gzip, KickOffBy, Phase, Redirect, read_faults, switches

from .server_visitor import KICK_OFF, small_hospital, visiting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_hospital(tmp_path_factory.mktemp("faulty") / "records")


def test_every_request_is_on_record(folder: Path) -> None:
    with visiting(folder) as visitor:
        begun = time.monotonic()
        visitor.begin("/$export?_type=Patient", headers=KICK_OFF | {"Authorization": "Bearer x"})
        visitor.http.get("/Nothing")
        seen = visitor.server.requests
        assert [(asked.method, asked.path, asked.bearer, asked.status) for asked in seen] == [
            ("GET", "/fhir/$export?_type=Patient", True, 202),
            ("GET", "/fhir/Nothing", False, 404),
        ]
        assert seen[0].bare_path == "/fhir/$export"
        assert begun <= seen[0].monotonic <= seen[1].monotonic <= time.monotonic()
        home = visitor.server.base_url.removesuffix("/fhir")
        told = visitor.http.get(f"{home}/requests").json()["requests"]
        assert [item["status"] for item in told] == [202, 404]


def test_a_server_over_https_or_not_never_answers_with_a_defect(folder: Path) -> None:
    with visiting(folder) as visitor:
        for path in (
            "/bulk-jobs/%00",
            "/Patient/%F0%9F",
            "/Group/..%2f/$export",
            "/Binary/-d1",
            "/Patient?_count=x",
        ):
            assert 400 <= visitor.http.get(path, headers=KICK_OFF).status_code < 500, path


def test_all_faults_are_off_by_default() -> None:
    assert Faults() == read_faults([])
    assert {item.name for item in switches()} == {name.replace("_", "-") for name in Faults.__annotations__}
    assert all(item.text and len(item.text) < 90 for item in switches())


def _given() -> Iterator[tuple[list[str], Faults]]:
    yield ["transient"], Faults(transient=ALWAYS)
    yield (
        ["drop-connection=always", "only=Patient,Condition"],
        Faults(drop_connection=ALWAYS, only=frozenset({"Patient", "Condition"})),
    )
    yield ["drop_connection=2"], Faults(drop_connection=2)
    yield ["large-file=2G"], Faults(large_file=2_000_000_000)
    yield ["wrong-count=-1", "no-bulk"], Faults(wrong_count=-1, no_bulk=True)
    yield ["phases=kick-off,token"], Faults(phases=frozenset({Phase.KICK_OFF, Phase.TOKEN}))
    yield ["redirect=host", "gzip=never"], Faults(redirect=Redirect.HOST, gzip=Gzip.NEVER)
    yield ["poll-retry-after="], Faults(poll_retry_after="")
    yield ["kick-off=post", "retry-after=-5"], Faults(kick_off=KickOffBy.POST, retry_after="-5")


@pytest.mark.parametrize(("texts", "faults"), list(_given()))
def test_faults_are_read_by_name(texts: list[str], faults: Faults) -> None:
    assert read_faults(texts) == faults


@pytest.mark.parametrize(
    "texts",
    [
        ["nothing"],
        ["transient=x"],
        ["transient=-1"],
        ["transient", "transient=2"],
        ["drip"],
        ["no-bulk=no"],
        ["phases=moon"],
        ["redirect=moon"],
        ["failure-status=200"],
        ["expired-status=600"],
        ["only=a b"],
        ["deleted=Patient"],
        ["token-seconds=0"],
        ["retry-after=ä"],
        ["__class__=1"],
    ],
)
def test_what_is_no_fault_is_refused_without_a_quotation(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="fault") as caught:
        read_faults(texts)
    assert "moon" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"transient": -1}, {"retry_after": "a\nb"}, {"token_seconds": 0}])
def test_a_record_of_faults_checks_itself(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="cannot take"):
        Faults(**wrong)

"""No false alarm: random honest histories are clean in both verifiers.

``python -m audit.clean_ledgers COUNT`` (from ``tests``) does the same for as many as asked.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.audit.standalone import VERIFIER

from .histories import honest
from .standalone import export, findings_in_process, standalone_findings


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_an_honest_history_is_clean(seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        book, evidence = honest(folder, seed)
        assert book.verify(evidence).findings == ()
        export(book.address, folder / "export", evidence)
        assert findings_in_process(folder / "export", evidence.public_key) == []


def test_the_stand_alone_verifier_is_one_short_file_of_its_own(tmp_path: Path) -> None:
    text = VERIFIER.read_text()
    assert len(text.splitlines()) < 300
    assert "medcairn" not in text
    book, evidence = honest(tmp_path, 7)
    export(book.address, tmp_path / "export", evidence)
    assert standalone_findings(tmp_path / "export") == []
    lines = (tmp_path / "export" / "entries.jsonl").read_bytes().replace(b"pipeline", b"pipelime")
    (tmp_path / "export" / "entries.jsonl").write_bytes(lines)
    assert standalone_findings(tmp_path / "export")[0] == ("edit", 0)

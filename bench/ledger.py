"""The ledger's speed: ``python -m bench.ledger [COUNT]``.

Many threads append COUNT events, each waiting for its own to be durable; then the ledger is verified. That no
honest ledger raises an alarm is tried by ``python -m audit.clean_ledgers COUNT``, run in ``tests``.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

from medcairn.audit import EventType, Ledger, verify_ledger
from medcairn.core.clock import RandomIds, SystemClock
from medcairn.core.digests import digest_bytes

WRITERS = 256


def append(count: int, path: Path) -> float:
    """Events a second, each acknowledged after its own commit, by :data:`WRITERS` threads."""
    key = path.parent / "keys" / path.stem
    record = {"prediction_id": "0" * 36, "record_digest": digest_bytes(b"bench"), "purpose": "care"}
    with Ledger.create(path, key, origin="bench", clock=SystemClock(), ids=RandomIds()) as ledger:
        began = time.perf_counter()

        def work(share: int) -> None:
            for _ in range(share):
                ledger.append(EventType.PREDICTION_MADE, actor="service:bench", record=record)

        shares = [count // WRITERS + (n < count % WRITERS) for n in range(WRITERS)]
        threads = [threading.Thread(target=work, args=(share,)) for share in shares]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        ledger.checkpoint()
    return count / seconds


def verify(path: Path) -> tuple[int, float]:
    """Entries, and the seconds that their verification took."""
    began = time.perf_counter()
    check = verify_ledger(path)
    if check.findings:
        raise SystemExit(f"a false alarm: {check.findings[0]}")
    return check.tree_size, time.perf_counter() - began


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="medcairn-bench-") as folder:
        path = Path(folder) / "ledger.db"
        rate = append(count, path)
        print(
            f"append: {rate:,.0f} events/s, {WRITERS} threads, group-committed; {path.stat().st_size:,} bytes"
        )
        entries, seconds = verify(path)
        print(f"verify: {entries:,} entries in {seconds:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)

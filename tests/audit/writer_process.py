"""A process that appends to a ledger: ``writer_process.py SPEC``; prints each acknowledged entry and its id.

SPEC is JSON: ``path`` or ``dsn`` and ``schema``, ``key``, ``count`` (0: until killed), ``threads``, ``name``.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
from pathlib import Path

from medcairn.audit import EventType, Ledger, PostgresAddress
from medcairn.audit.stores import LedgerAddress
from medcairn.core.canonical import JSON
from medcairn.core.clock import RandomIds, SystemClock


def main(text: str) -> None:
    spec = json.loads(text)
    address: LedgerAddress = (
        Path(spec["path"]) if "path" in spec else PostgresAddress(spec["dsn"], spec["schema"])
    )
    with Ledger.open(address, Path(spec["key"]), clock=SystemClock(), ids=RandomIds()) as ledger:

        def work(thread: int) -> None:
            for number in itertools.count() if not spec["count"] else range(spec["count"]):
                record: dict[str, JSON] = {"by": f"{spec['name']}/{thread}", "number": number}
                done = ledger.append(EventType.RUN_STARTED, actor="pipeline", record=record)
                os.write(1, f"{done.index} {done.event.id}\n".encode())  # whole lines, also from threads
            ledger.checkpoint()

        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(spec["threads"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(sys.argv[1])

"""Write docs/part11.md from the marks in the tests: ``python -m tests.part11``."""

from __future__ import annotations

from .table import TABLE, markdown

if __name__ == "__main__":
    TABLE.write_text(markdown(), encoding="utf-8")

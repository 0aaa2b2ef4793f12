"""Where ledgers are kept: SQLite today, PostgreSQL behind the same seam later."""

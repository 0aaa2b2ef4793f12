"""Where resources come from. Each source yields the same verified NDJSON and the same report."""

"""Merging exports by (type, id): which line of a resource is the newest, and writing what stays."""

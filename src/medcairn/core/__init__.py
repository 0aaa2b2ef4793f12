"""The pure centre: errors, canonical JSON, digests, artifacts, settings, clock, safe logging.

Imports nothing else of medcairn.
"""

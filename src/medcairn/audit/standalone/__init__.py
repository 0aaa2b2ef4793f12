"""The verifier that needs nothing of medcairn: one file, to be copied out of here with every export."""

from pathlib import Path

VERIFIER = Path(__file__).with_name("verify_audit.py")
"""The file. It depends on the ``cryptography`` package alone."""

__all__ = ["VERIFIER"]

"""The audit package: everything that somebody needs who checks a ledger without us, in one folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_file
from medcairn.core.errors import UsageError
from medcairn.core.files import replace_folder, write_file, write_json

FORMAT = 1
CONTENTS = "contents.json"
VERIFIER = "verify_audit.py"
STAMPS = "stamps"
"""The folder of what time-stamping services gave; there is none where no service was asked."""

_README = """\
An audit package of a medcairn ledger
=====================================

  summary.pdf        what the ledger holds, for people
  summary.json       the same figures, and whole digests
  entries.jsonl      every entry, one a line, in order: the very bytes that are hashed
  tree.txt           the hash of every entry, as the ledger stored it
  witness-*.txt      the same hashes, as witnesses kept them
  checkpoints.txt    signed statements about the ledger's size and root (C2SP checkpoints)
  stamps/*/*         checkpoints (.note) and time stamps over them (.tsr, RFC 3161), if a service gave any
  keys.json          the ledger's first seal key, and people's public keys
  artifacts.json     the digest of every artifact's manifest as it lies there now
  verify_audit.py    checks all of this; needs Python 3.11 and the package `cryptography`, and no medcairn
  contents.json      the digest of every file here

To check it:

  python verify_audit.py .

It does not look at time stamps. openssl does, with the certificates of the service's authority as you have
them from the service itself:

  openssl ts -verify -data NAME.note -in NAME.tsr -CAfile authority.pem
  openssl ts -reply -in NAME.tsr -text

The first says that the service saw this checkpoint, the second when.

Who holds this package can change all of it. Compare the public key in keys.json with the one that you know
from elsewhere (--public-key), and the checkpoints with a copy that somebody else kept. A tail of entries cut
off after the last checkpoint that anybody holds cannot be seen.

Nothing here names a subject: entries hold counts, digests and ids.
"""


@dataclass(frozen=True)
class PackageReport:
    """What was written: the digest of ``contents.json`` names the package."""

    files: int
    bytes: int
    digest: Digest

    def as_json(self) -> dict[str, JSON]:
        return {"files": self.files, "bytes": self.bytes, "digest": self.digest}


def write_package(
    folder: Path,
    *,
    ledger_files: Callable[[Path], object],
    verifier: Path,
    documents: Mapping[str, bytes],
) -> PackageReport:
    """Write the package as the new folder ``folder``; after a crash it is whole or not there.

    ``ledger_files`` writes the ledger's own files into the folder that it is given. ``documents`` are more
    files, by name. The same ledger gives the same bytes.

    Raises :class:`UsageError` when the folder is there already, and
    :class:`~medcairn.core.errors.StorageError` when it cannot be written.
    """
    if folder.exists():
        raise UsageError(
            "There is something under this name already", hint="Name a new folder", folder=folder
        )
    staging = folder.with_name(folder.name + ".partial")
    shutil.rmtree(staging, ignore_errors=True)
    write_file(staging / "README.txt", _README.encode())
    ledger_files(staging)
    write_file(staging / VERIFIER, verifier.read_bytes())
    for name, data in documents.items():
        write_file(staging / name, data)
    report = _seal(staging)
    replace_folder(staging, folder)
    return report


def _seal(folder: Path) -> PackageReport:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CONTENTS)
    listed: list[JSON] = [
        {
            "path": path.relative_to(folder).as_posix(),
            "digest": digest_file(path),
            "size": path.stat().st_size,
        }
        for path in files
    ]
    write_json(folder / CONTENTS, {"format": FORMAT, "files": listed})
    size = sum(path.stat().st_size for path in (*files, folder / CONTENTS))
    return PackageReport(len(files) + 1, size, digest_file(folder / CONTENTS))


__all__ = ["CONTENTS", "STAMPS", "VERIFIER", "PackageReport", "write_package"]

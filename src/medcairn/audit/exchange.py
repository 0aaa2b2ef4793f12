"""A ledger as plain files that the stand-alone verifier reads, and that a person can read too.

``entries.jsonl`` one leaf a line, ``tree.txt`` and ``witness-*.txt`` leaf hashes in hex, ``checkpoints.txt``
signed notes, ``receipts/*.json``, ``keys.json``, and ``artifacts.json`` the seals of artifacts as they lie
there now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from medcairn.audit.acts import People
from medcairn.audit.merkle import HASH_BYTES
from medcairn.audit.receipts import Receipt
from medcairn.audit.stores import LedgerAddress, Store, open_store
from medcairn.audit.witness import Attestation, FolderWitness
from medcairn.core.canonical import JSON
from medcairn.core.files import storage_errors, write_file, write_json

FORMAT = 1


def export_ledger(
    address: LedgerAddress,
    folder: Path,
    *,
    witnesses: Sequence[Attestation] = (),
    receipts: Iterable[Receipt] = (),
    people: People | None = None,
    seals: Mapping[str, str | None] | None = None,
) -> int:
    """Write the ledger at ``address`` into ``folder``; the number of entries written.

    ``witnesses`` come besides the one beside a SQLite ledger. ``people`` are the public keys by which
    e-signatures are checked, ``seals`` for each artifact's path the digest of its manifest as it lies there
    now, None when it is gone. Nothing is judged here: a ledger that was changed is exported as it is.

    Raises :class:`~medcairn.core.errors.IntegrityError` when the store cannot be read to its end.
    """
    beside = [FolderWitness.beside(address).attestation()] if isinstance(address, Path) else []
    held = [*beside, *witnesses]
    with storage_errors():
        folder.mkdir(parents=True, exist_ok=True)
    with closing(open_store(address, read_only=True)) as store, store.snapshot():
        count = _write_entries(store, folder / "entries.jsonl")
        _write_hashes(folder / "tree.txt", _stored_leaf_hashes(store))
        notes = dict.fromkeys([*store.checkpoints(), *(note for one in held for note in one.notes)])
        about: dict[str, JSON] = {
            "format": FORMAT,
            "origin": store.about("origin"),
            "public_key": store.about("public_key"),
        }
    taken = dict.fromkeys(one.leaf_hashes for one in held if one.leaf_hashes)
    for number, hashes in enumerate(taken, start=1):
        _write_hashes(folder / f"witness-{number}.txt", hashes)
    write_file(folder / "checkpoints.txt", "\n".join(notes).encode())
    for receipt in receipts:
        receipt.write(folder / "receipts")
    if people is not None:
        about["people"] = {name: sorted(keys) for name, keys in people.items()}
    write_json(folder / "keys.json", about)
    if seals is not None:
        write_json(folder / "artifacts.json", {"format": FORMAT, "seals": dict(seals)})
    return count


def _write_entries(store: Store, path: Path) -> int:
    count = 0
    with storage_errors(), path.open("wb") as stream:
        for _, leaf in store.leaves():
            # A leaf with a line break is none of ours; it must not shift the lines after it.
            stream.write(leaf.replace(b"\n", b" ") + b"\n")
            count += 1
    return count


def _stored_leaf_hashes(store: Store) -> bytes:
    hashes = bytearray()
    for index, digest in store.level(0):
        if index * HASH_BYTES != len(hashes) or len(digest) != HASH_BYTES:
            break
        hashes += digest
    return bytes(hashes)


def _write_hashes(path: Path, hashes: bytes) -> None:
    places = range(0, len(hashes) // HASH_BYTES * HASH_BYTES, HASH_BYTES)
    text = "".join(f"{hashes[at : at + HASH_BYTES].hex()}\n" for at in places)
    write_file(path, text.encode())


__all__ = ["FORMAT", "export_ledger"]

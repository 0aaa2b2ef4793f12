#!/usr/bin/env python3
"""Check an exported audit trail without the software that wrote it.

    python verify_audit.py FOLDER [--public-key HEX] [--json]

Needs Python 3.11 and the `cryptography` package. FOLDER holds entries.jsonl (one leaf a line), keys.json and
checkpoints.txt (C2SP signed notes), perhaps tree.txt and witness-*.txt (leaf hashes), receipts/*.json and
artifacts.json; time stamps are left to openssl. The tree is that of RFC 9162, 2.1; seals are Ed25519 (RFC
8032). Exit code 0: no change found; 5: changed, and line 1 names the attack and the first bad entry, from 0.
What was cut or changed after the last checkpoint, where nobody holds a receipt, cannot be seen. Without
--public-key, from a place of your own, the export's word for its key is taken.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY, FORK, MOVED_SIGNATURE, REPLAY = "key swap", "fork", "transplanted signature", "replayed approval"
ARTIFACT, INSERT, DELETE, REORDER = "swapped artifact", "back-dated insert", "delete", "reorder"
CUT, REWRITE, EDIT, CLOCK = "truncation", "re-chained rewrite", "edit", "clock rollback"
ORDER = [KEY, FORK, MOVED_SIGNATURE, REPLAY, ARTIFACT, INSERT, DELETE, REORDER, CUT, REWRITE, EDIT, CLOCK]
TOLERANCE, MAKERS = timedelta(seconds=5), ("artifact.made", "note.recorded")
FIELDS = {"actor", "format", "id", "inputs", "outputs", "record", "recorded_at", "run_id", "stage", "type"}
Hashes = list[bytes]
Sealed = tuple[int, bytes]  # a tree's size and root
Finding = tuple[str | None, int | None, str]  # the attack, the first bad entry, where else to look
Events = list[tuple[int, dict[str, Any]]]


class Number(str):
    """A number with a fraction or exponent, kept as the leaf has it."""


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """RFC 9162, 2.1.1, over leaf hashes, with its complete subtrees kept by level."""

    def __init__(self, leaves: Hashes) -> None:
        self.size, self.levels = len(leaves), [leaves]
        while len(below := self.levels[-1]) > 1:
            pairs = zip(below[::2], below[1::2], strict=False)
            self.levels.append([node_hash(left, right) for left, right in pairs])

    def root(self, start: int, end: int) -> bytes:
        size = end - start
        if size & (size - 1) == 0:
            return (
                hashlib.sha256(b"").digest()
                if size == 0
                else self.levels[size.bit_length() - 1][start // size]
            )
        middle = start + (1 << (size - 1).bit_length() - 1)
        return node_hash(self.root(start, middle), self.root(middle, end))

    def holds(self, sealed: Sealed) -> bool:
        return sealed[0] <= self.size and self.root(0, sealed[0]) == sealed[1]


def proven_root(leaf: bytes, index: int, size: int, proof: Hashes) -> bytes:
    """Where an inclusion proof leads, by the definition of PATH (RFC 9162, 2.1.3.1)."""
    if size <= 1 or not proof:
        return leaf if size == 1 and not proof and index == 0 else b""
    middle = 1 << (size - 1).bit_length() - 1
    if index < middle:
        return node_hash(proven_root(leaf, index, middle, proof[:-1]), proof[-1])
    return node_hash(proof[-1], proven_root(leaf, index - middle, size - middle, proof[:-1]))


def is_signed(key: str, signature: str, message: str) -> bool:
    try:
        raw = bytes.fromhex(signature)
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(raw, message.encode())
    except (ValueError, InvalidSignature):
        return False
    return True


class Note:
    """A C2SP checkpoint. Raises ValueError for text that is none."""

    def __init__(self, text: str) -> None:
        body, lines = text.split("\n\n", 1)
        self.origin, size, root, *extensions = body.split("\n")
        self.text, signatures = body + "\n", [line.split(" ") for line in lines.rstrip("\n").split("\n")]
        self.sealed = int(size), base64.b64decode(root, validate=True)
        named = [line[9:] for line in extensions if re.fullmatch("next-key [0-9a-f]{64}", line)]
        self.next_key = bytes.fromhex(named[0]) if len(named) == 1 else None
        self.raw = [(name, base64.b64decode(raw, validate=True)) for _, name, raw in signatures]
        if not re.fullmatch("0|[1-9][0-9]*", size) or any(dash != "—" for dash, *_ in signatures):
            raise ValueError

    def seal(self, key: bytes) -> bool | None:
        """Whether the key's signature holds; None when the key did not sign."""
        mark = hashlib.sha256(self.origin.encode() + b"\n\x01" + key).digest()[:4]
        mine = [raw[4:] for name, raw in self.raw if name == self.origin and raw[:4] == mark]
        return any(is_signed(key.hex(), raw.hex(), self.text) for raw in mine) if mine else None


def parsed(text: object) -> Note | None:
    try:
        return Note(str(text))
    except ValueError:
        return None


def judge(keys: list[tuple[int, bytes]], note: Note, origin: str) -> Finding | None:
    """What is wrong with a note; ``keys`` are (from which tree size on, key)."""
    start, key = next(period for period in reversed(keys) if note.sealed[0] >= period[0])
    if note.origin != origin or note.seal(key):
        return None if note.origin == origin else (None, None, "a checkpoint of another ledger")
    states = [note.seal(other) for _, other in keys]
    if True in states:
        return KEY, start, "a checkpoint sealed by a key of another time"
    return (EDIT, None, "a checkpoint") if False in states else (KEY, 0, "a checkpoint sealed by another key")


def difference(present: Hashes, expected: Hashes, first: int) -> tuple[str, int] | None:
    """The change from ``expected`` and its first place at or after ``first``; later entries are none."""
    places = range(first, len(expected))
    first = next((at for at in places if present[at : at + 1] != [expected[at]]), -1)
    if first < 0:
        return None
    here, there = present[first:], expected[first:]
    kept = set(here) & set(there)
    gone = [leaf for leaf in there if leaf not in kept]
    known = max((place for place, leaf in enumerate(here) if leaf in kept), default=-1)
    come = any(leaf not in kept for leaf in here[: max(known, 0)]) or known + 1 > len(there)
    if len(gone) == len(there):
        return (CUT if len(here) < len(there) else EDIT), first
    return (EDIT if gone and come else DELETE if gone else INSERT if come else REORDER), first


def check_leaves(now: Hashes, stored: Hashes, known: list[Hashes], sealed: list[Sealed]) -> Finding | None:
    """The first change: by a list of hashes that has a sealed root, else between checkpoints."""
    tree, changes = Tree(now), list[tuple[str, int]]()
    holding = [one[0] for one in sealed if tree.holds(one)]
    start = max(holding, default=0)
    for hashes in (*known, stored):
        other = tree if hashes == now else Tree(hashes)
        end = max((one[0] for one in sealed if other.holds(one)), default=0)
        found = difference(now, hashes[:end], 0)
        changes += [found] if found else []
    change = min(changes, key=lambda found: found[1], default=None)
    if change and start > change[1]:
        return FORK, change[1], ""
    if not change:
        change = difference(now, stored, start)
        failing = min((one[0] for one in sealed if one[0] <= tree.size and not tree.holds(one)), default=0)
        low = max((size for size in holding if size < failing), default=0) if failing else tree.size
        end = failing or max((one[0] for one in sealed), default=0)
        if end > low and not (change and low <= change[1] < end):
            return (CUT if not failing else FORK if start >= failing else REWRITE), low, f"before entry {end}"
    rewritten = change is not None and change[0] == EDIT and stored == now
    return change and ((REWRITE if rewritten else change[0]), change[1], "")


def canonical(value: object) -> str:
    """RFC 8785, for what came out of canonical JSON."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: str(name).encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def read_entries(lines: list[bytes], found: list[Finding]) -> tuple[Events, list[Finding]]:
    """The entries that can be read, and what their times tell."""
    events, clock, latest = Events(), list[Finding](), None
    for entry, line in enumerate(lines):
        try:
            event = json.loads(line, parse_float=Number)
            moment = datetime.fromisoformat(event["recorded_at"])
            back = latest is not None and latest - moment > TOLERANCE
            if event.keys() != FIELDS or not isinstance(event["record"], dict) or not moment.tzinfo:
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError):
            found.append((EDIT, entry, "cannot be read"))
            continue
        events.append((entry, event))
        clock += [(CLOCK, entry, "")] if back else []
        latest = moment if back else max(latest or moment, moment)
    return events, clock


def signature_holds(record: dict[str, Any], signature: dict[str, Any], people: dict[str, Any] | None) -> bool:
    signed = "sha256:" + hashlib.sha256(canonical(record.get("signed")).encode()).hexdigest()
    key, seal = str(signature.get("public_key")), str(signature["seal"])
    theirs = people is None or key in people.get(str(signature.get("signer")), [])
    body = canonical({name: value for name, value in signature.items() if name != "seal"})
    bound = "signed" not in record or signed == signature.get("record")
    return bound and theirs and is_signed(key, seal, body)


def check_acts(events: Events, people: dict[str, Any] | None, seals: dict[str, Any]) -> list[Finding]:
    """E-signatures, approvals, and the latest artifact of each path."""
    found, seen = list[Finding](), set[str]()
    approved, made = dict[str, set[str]](), dict[str, tuple[int, str]]()
    for entry, event in events:
        record, kind = event["record"], event["type"]
        signature = record.get("signature") if kind == "record.signed" else None
        models = {ref["digest"] for ref in event["inputs"] if ref["name"] == "model"}
        if isinstance(signature, dict) and "seal" in signature:
            if not signature_holds(record, signature, people):
                found.append((MOVED_SIGNATURE, entry, ""))
            if str(signature["seal"]) in seen:
                found.append((REPLAY, entry, "an approval recorded twice"))
            seen.add(str(signature["seal"]))
            approved.setdefault(str(signature.get("record")), set()).update(models)
        right = approved.get(str(record.get("approval_digest"))) if kind == "stage.finished" else None
        if right and not models <= right:
            found.append((REPLAY, entry, "an approval of another model"))
        made |= {ref["path"]: (entry, ref["seal"]) for ref in event["outputs"] if kind in MAKERS}
    return found + [(ARTIFACT, at, one) for one, (at, seal) in made.items() if seals.get(one, seal) != seal]


def read_hashes(path: Path) -> Hashes:
    return [bytes.fromhex(line) for line in path.read_text().split()] if path.is_file() else []


def read_receipt(path: Path) -> Note | None:
    """The checkpoint of a receipt; None when it cannot be read or its proof leads elsewhere."""
    try:
        value = json.loads(path.read_bytes())
        proof, note = [bytes.fromhex(step) for step in value["proof"]], Note(value["checkpoint"])
        root = proven_root(bytes.fromhex(value["leaf_hash"]), value["entry"], note.sealed[0], proof)
        return note if root == note.sealed[1] else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def verify(folder: Path, known_key: bytes | None = None) -> tuple[int, bytes, list[Finding]]:
    """The number of entries, the root, and what was found, the first bad entry first."""
    about, found = json.loads((folder / "keys.json").read_bytes()), list[Finding]()
    stated, entries = bytes.fromhex(about["public_key"]), folder / "entries.jsonl"
    events, clock = read_entries(lines := entries.read_bytes().split(b"\n")[:-1], found)
    text = (folder / "checkpoints.txt").read_text("utf-8", "replace")
    notes = [parsed(note) for note in re.findall(r"(?:[^\n—][^\n]*\n)+\n?(?:—[^\n]*\n?)*", text)]
    rotations = [(at, parsed(e["record"].get("note"))) for at, e in events if e["type"] == "key.rotated"]
    receipts = {path.name: read_receipt(path) for path in sorted(folder.glob("receipts/*.json"))}
    found += [(EDIT, None, "a checkpoint that cannot be read") for note in notes if note is None]
    found += [(None, None, f"receipt {name}") for name, note in receipts.items() if note is None]
    whole = [*notes, *(note for _, note in rotations), *receipts.values()]
    known = {(note.text, str(note.raw)): note for note in whole if note}.values()
    keys = [(0, known_key or stated)]
    for note in sorted(known, key=lambda note: note.sealed[0]):
        if note.next_key and note.sealed[0] >= keys[-1][0] and note.seal(keys[-1][1]):
            keys.append((note.sealed[0] + 1, note.next_key))
    accepted = [note for _, note in rotations if note and (note.sealed[0] + 1, note.next_key) in keys]
    found += [(KEY, at, "") for at, note in rotations if note not in accepted]
    judged = {note: judge(keys, note, about["origin"]) for note in known}
    found += [wrong for wrong in judged.values() if wrong]
    present = [hashlib.sha256(b"\x00" + line).digest() for line in lines]
    witnessed = [read_hashes(path) for path in sorted(folder.glob("witness-*.txt"))]
    sealed = [note.sealed for note, wrong in judged.items() if not wrong]
    change = check_leaves(present, read_hashes(folder / "tree.txt"), witnessed, sealed)
    found += ([change] if change else []) + ([] if lines else [(CUT, 0, "no entries")])
    found += [late for late in clock if not change or (late[1] or 0) < (change[1] or 0)]
    named = [e["record"].get("public_key") for at, e in events if at == 0 and e["type"] == "ledger.created"]
    found += [(KEY, 0, "")] if named not in ([], [stated.hex()]) or known_key not in (None, stated) else []
    kept = [json.loads(path.read_bytes())["seals"] for path in folder.glob("artifacts.json")]
    found += check_acts(events, about.get("people"), kept[0] if kept else {})
    rank = {attack: place for place, attack in enumerate(ORDER)}
    found.sort(key=lambda one: (len(lines) + 1 if one[1] is None else one[1], rank.get(one[0] or "", 99)))
    return len(lines), Tree(present).root(0, len(present)), found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--public-key", type=bytes.fromhex, metavar="HEX")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    needed = ("entries.jsonl", "checkpoints.txt", "keys.json")
    if not all((chosen.folder / name).is_file() for name in needed):
        parser.error("this folder must hold " + ", ".join(needed))
    size, root, found = verify(chosen.folder, chosen.public_key)
    lines = [f"✗ {attack or 'unexplained'}: entry {entry}, {where}" for attack, entry, where in found]
    lines.append(f"{size} entries, root {root.hex()}" + ("" if found else ": no change found"))
    findings = [dict(zip(("attack", "entry", "where"), one, strict=True)) for one in found]
    about = {"tree_size": size, "root_hash": root.hex(), "findings": findings}
    sys.stdout.write(json.dumps(about) + "\n" if chosen.json else "\n".join(lines) + "\n")
    return 5 if found else 0


if __name__ == "__main__":
    sys.exit(main())

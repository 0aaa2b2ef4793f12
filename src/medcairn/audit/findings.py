"""What verification says: the attack by name, the first bad entry, and where else to look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from medcairn.core.canonical import JSON


class Attack(StrEnum):
    """What was done, as far as what is left of it tells. Also the order in which findings are told."""

    KEY_SWAP = "key swap"
    FORK = "fork"
    TRANSPLANTED_SIGNATURE = "transplanted signature"
    REPLAYED_APPROVAL = "replayed approval"
    SWAPPED_ARTIFACT = "swapped artifact"
    BACK_DATED_INSERT = "back-dated insert"
    DELETE = "delete"
    REORDER = "reorder"
    TRUNCATION = "truncation"
    RECHAINED_REWRITE = "re-chained rewrite"
    EDIT = "edit"
    CLOCK_ROLLBACK = "clock rollback"


_ORDER = {attack: place for place, attack in enumerate(Attack)}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was: ``what`` in constant words, ``where`` an entry, file or id of ours.

    ``entry`` is the first bad entry, counted from 0; None when the finding is about no entry.
    """

    what: str
    where: str
    attack: Attack | None = None
    entry: int | None = None

    def as_json(self) -> dict[str, JSON]:
        attack = self.attack.value if self.attack else None
        return {"attack": attack, "entry": self.entry, "what": self.what, "where": self.where}

    @classmethod
    def at(cls, attack: Attack, entry: int, what: str) -> Finding:
        """A finding about one entry."""
        return cls(what, f"entry {entry}", attack, entry)

    @classmethod
    def between(cls, attack: Attack, first: int, end: int, what: str) -> Finding:
        """A finding about an entry somewhere from ``first`` to before ``end``."""
        where = f"entry {first}" if end <= first + 1 else f"entries {first} to {end - 1}"
        return cls(what, where, attack, first)


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """By the first bad entry; of one entry the most telling name first; each once."""

    def key(finding: Finding) -> tuple[float, int]:
        entry = float("inf") if finding.entry is None else float(finding.entry)
        return entry, len(_ORDER) if finding.attack is None else _ORDER[finding.attack]

    return tuple(sorted(dict.fromkeys(findings), key=key))


@dataclass(frozen=True)
class LedgerCheck:
    """The outcome: the tree's size and root, how many checkpoints were checked, and what was found."""

    tree_size: int
    root_hash: bytes
    checkpoints: int
    findings: tuple[Finding, ...]
    receipts: int = 0

    @property
    def attack(self) -> Attack | None:
        """The attack that the first finding names."""
        return next((finding.attack for finding in self.findings if finding.attack), None)

    @property
    def first_bad_entry(self) -> int | None:
        """The first entry that is not as it was."""
        return next((finding.entry for finding in self.findings if finding.entry is not None), None)

    def as_json(self) -> dict[str, JSON]:
        return {
            "tree_size": self.tree_size,
            "root_hash": self.root_hash.hex(),
            "checkpoints": self.checkpoints,
            "receipts": self.receipts,
            "findings": [finding.as_json() for finding in self.findings],
        }


__all__ = ["Attack", "Finding", "LedgerCheck", "in_order"]

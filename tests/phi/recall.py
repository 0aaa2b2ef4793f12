"""How much the guard finds: ``python -m phi.recall [COUNT]``, run in ``tests``, prints the table."""

from __future__ import annotations

import sys
from collections import Counter

from medcairn.core.labels import Label
from medcairn.phi import PhiClass, PhiDetector
from phi.identifiers import Planted, bare, planted

BARE = (
    PhiClass.SSN,
    PhiClass.MRN,
    PhiClass.PHONE,
    PhiClass.NPI,
    PhiClass.NAME,
    PhiClass.DATE,
    PhiClass.IP_ADDRESS,
)
DETECTOR = PhiDetector(b"a key of the recall measurement", longest_text=500)


def found(one: Planted) -> bool:
    """Whether the guard tells the class of a planted identifier, or any class of a URL that holds it."""
    findings = DETECTOR.find(one.text, location=Label("field"), cue=one.cue)
    return any(finding.phi_class is one.phi_class for finding in findings)


def refused(one: Planted) -> bool:
    """Whether the guard finds anything at all, which is what refuses the request."""
    return bool(DETECTOR.find(one.text, location=Label("field"), cue=one.cue))


def main(count: int) -> None:
    print(f"{'class':<16}{'generated':>10}{'found':>8}{'recall':>9}{'refused':>9}")
    for phi_class in PhiClass:
        everything = list(planted(phi_class, count))
        hits = sum(map(found, everything))
        stopped = sum(map(refused, everything))
        print(f"{phi_class:<16}{count:>10,}{hits:>8,}{hits / count:>9.4f}{stopped / count:>9.4f}", flush=True)
    for phi_class in BARE:
        hits = sum(map(refused, bare(phi_class, count)))
        print(
            f"{phi_class + ', bare':<16}{count:>10,}{hits:>8,}{hits / count:>9.4f}{hits / count:>9.4f}",
            flush=True,
        )


def missed(phi_class: PhiClass, count: int, show: int = 20) -> None:
    """Print some of what is missed, and how often by form."""
    rest = [one for one in planted(phi_class, count) if not found(one)]
    print(phi_class, len(rest), Counter(one.form for one in rest).most_common())
    for one in rest[:show]:
        print("   ", one.form, repr(one.cue), repr(one.text))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)

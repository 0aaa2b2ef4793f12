"""What ordinary runs write and nobody's identifier is in: ``python -m phi.clean [COUNT]``, run in ``tests``.

Real texts first: parameters of all scikit-learn estimators, installed distributions, and (asked for by
``--autolog``) what MLflow's autolog writes; then texts made by templates after those of real projects.
"""

from __future__ import annotations

import io
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from random import Random

from medcairn.core.labels import Label
from medcairn.phi import PhiDetector, PhiFinding
from medcairn.phi.artifacts import ArtifactLimits, scan_artifact
from phi.clean_templates import made


@dataclass(frozen=True)
class Clean:
    """A text under its key (``cue``), or an artifact under its name (``cue``)."""

    cue: str
    text: str
    content: bytes | None = None


def clean(count: int, seed: int = 6, *, autologged: Path | None = None) -> Iterator[Clean]:
    """``count`` clean things."""
    real = [*_of_estimators(), *_of_distributions(), *(_of_autolog(autologged) if autologged else ())]
    random = Random(seed)
    random.shuffle(real)
    share = real if autologged else real[: count // 3]
    yield from share[:count]
    for _ in range(count - len(share)):
        key, text, artifact = made(random)
        yield Clean(key, text, text.encode() if artifact else None)


def findings(one: Clean, detector: PhiDetector) -> list[PhiFinding]:
    """What the guard finds in a clean thing, in its key and in its value."""
    place = Label("field")
    if one.content is not None:
        limits = ArtifactLimits(allow_pickle=True)
        return scan_artifact(one.cue, io.BytesIO(one.content), detector, limits=limits)
    return detector.find(one.cue, location=place) + detector.find(one.text, location=place, cue=one.cue)


def _of_estimators() -> Iterator[Clean]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sklearn.utils import all_estimators

        for name, estimator in all_estimators():
            yield Clean("estimator_name", name)
            yield Clean("estimator_class", f"{estimator.__module__}.{name}")
            try:
                made_one = estimator()
            except TypeError:
                continue
            yield Clean("estimator", repr(made_one))
            for key, value in made_one.get_params().items():
                yield Clean(key, str(value))


def _of_distributions() -> Iterator[Clean]:
    for one in distributions():
        yield Clean("requirement", f"{one.metadata['Name']}=={one.version}")
        for kind, field in (("summary", "Summary"), ("license", "License-Expression")):
            if field in one.metadata:
                yield Clean(kind, str(one.metadata[field]))


def _of_autolog(folder: Path) -> Iterator[Clean]:
    from phi.autologged import autolog

    for one in autolog(folder, rounds=4):
        yield Clean(one.key, one.text, one.path.read_bytes() if one.path else None)


def main(count: int, *, with_autolog: bool) -> None:
    detector = PhiDetector(b"a key of the clean measurement")
    with tempfile.TemporaryDirectory(prefix="medcairn-clean-") as folder:
        refused = total = artifacts = 0
        for one in clean(count, autologged=Path(folder) if with_autolog else None):
            total += 1
            artifacts += one.content is not None
            found = findings(one, detector)
            if found:
                refused += 1
                print("refused:", repr(one.cue), repr(one.text[:300]), [f.phi_class.value for f in found])
        print(f"{total:,} clean things, {artifacts:,} of them artifacts: {refused} refused")


if __name__ == "__main__":
    numbers = [argument for argument in sys.argv[1:] if argument.isdigit()]
    main(int(numbers[0]) if numbers else 10_000, with_autolog="--autolog" in sys.argv)

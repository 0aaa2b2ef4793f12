"""k-anonymity, l-diversity and sample uniques of the table of people, in DuckDB."""

# ruff: noqa: S608 -- statements are put together from names of ours

from __future__ import annotations

from collections.abc import Sequence

from medcairn.core.errors import DataError
from medcairn.core.progress import Progress
from medcairn.deid.risk.attributes import QuasiIdentifier, SensitiveAttribute
from medcairn.deid.risk.people import People
from medcairn.deid.risk.report import K_LIMITS, L_LIMITS, Contribution, Diversity, RiskReport


def measure(
    people: People,
    quasi_identifiers: Sequence[QuasiIdentifier],
    sensitive: Sequence[SensitiveAttribute],
    progress: Progress,
) -> RiskReport:
    """Measure the table ``person``. Raises :class:`DataError` when it is empty."""
    subjects = people.count("SELECT count(*) FROM person")
    if not subjects:
        raise DataError("There are no subjects to assess")
    progress.begin("Risk: measuring", len(quasi_identifiers) + len(sensitive) + 1, "measures")
    columns = [f"q{place}" for place in range(len(quasi_identifiers))]
    order = f"ORDER BY {', '.join(columns)}" if columns else "ORDER BY 1"
    people.run(f"CREATE TEMP TABLE member AS SELECT *, dense_rank() OVER ({order}) AS class FROM person")
    people.run("CREATE TEMP TABLE class AS SELECT class, count(*) AS size FROM member GROUP BY class")
    sizes = {
        _int(size): _int(count) for size, count in people.rows("SELECT size, count(*) FROM class GROUP BY 1")
    }
    progress.advance(1)
    contributions = []
    for place, one in enumerate(quasi_identifiers):
        contributions.append(_contribution(people, one, place, columns, subjects))
        progress.advance(1)
    diversities = []
    for place, attribute in enumerate(sensitive):
        diversities.append(_diversity(people, attribute, f"s{place}"))
        progress.advance(1)
    return RiskReport(
        subjects=subjects,
        classes=sum(sizes.values()),
        k=min(sizes),
        sizes=sizes,
        below={k: sum(size * count for size, count in sizes.items() if size < k) for k in K_LIMITS},
        contributions=tuple(contributions),
        diversities=tuple(diversities),
    )


def _contribution(
    people: People, one: QuasiIdentifier, place: int, columns: Sequence[str], subjects: int
) -> Contribution:
    own = columns[place]
    values, missing, alone = people.rows(
        f"SELECT count({own}), coalesce(sum(n) FILTER ({own} IS NULL), 0), count(*) FILTER (n = 1)"
        f" FROM (SELECT {own}, count(*) AS n FROM person GROUP BY {own})"
    )[0]
    others = ", ".join(column for column in columns if column != own)
    grouped = f"GROUP BY {others}" if others else ""
    classes, uniques = people.rows(
        f"SELECT count(*), count(*) FILTER (n = 1) FROM (SELECT count(*) AS n FROM person {grouped})"
    )[0]
    return Contribution(
        one.name, one.title, _int(values), _int(missing), _int(alone), _int(uniques), _int(classes) / subjects
    )


def _diversity(people: People, attribute: SensitiveAttribute, column: str) -> Diversity:
    people.run(
        "CREATE OR REPLACE TEMP TABLE diversity AS"
        f" SELECT class, count(*) AS size, count(DISTINCT {column}) AS l FROM member GROUP BY class"
    )
    below = [f"coalesce(sum(size) FILTER (l < {limit}), 0)" for limit in L_LIMITS]
    least, *counts = people.rows(f"SELECT min(l), {', '.join(below)} FROM diversity")[0]
    values = people.count(f"SELECT count(DISTINCT value) FROM (SELECT unnest({column}) AS value FROM member)")
    told, told_subjects = people.rows(
        "SELECT count(*), coalesce(sum(size), 0) FROM class WHERE size >= 2 AND class IN (SELECT class FROM"
        f" (SELECT class, unnest({column}) AS value FROM member) JOIN class USING (class)"
        " GROUP BY class, value, size HAVING count(*) = size)"
    )[0]
    return Diversity(
        attribute.name,
        attribute.title,
        values,
        _int(least),
        {limit: _int(count) for limit, count in zip(L_LIMITS, counts, strict=True)},
        _int(told),
        _int(told_subjects),
    )


def _int(value: object) -> int:
    return int(str(value))


__all__ = ["measure"]

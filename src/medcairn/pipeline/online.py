"""Features of one FHIR Bundle, by the code that makes the training table: views, typing, events, kernels."""

from __future__ import annotations

import gc
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path

from medcairn.core.errors import DataError
from medcairn.features import FeatureSet, feature_set_from_spec
from medcairn.features.plan import columns_of, streams_of
from medcairn.features.subject_rows import SubjectFeatures
from medcairn.lakehouse.silver.memory import Row, SilverReader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PATIENT = "patient"
_SUBJECT = itemgetter(0)


class FeatureService:
    """The features of one subject as they could be known at an instant, without a lake.

    Equal to the last bit to what the batch computes of the same resources. Safe to share between threads.
    """

    def __init__(self, feature_set: FeatureSet) -> None:
        streams = streams_of(feature_set)
        tables = dict.fromkeys((_PATIENT, *SubjectFeatures(feature_set).tables))
        self._columns = {name: columns_of(name, streams) for name in tables}
        first = SilverReader(self._columns)
        self._idle = deque([first])
        self._engine = SubjectFeatures(feature_set, first.columns)

    @classmethod
    def from_package(cls, package: Path) -> FeatureService:
        """The service of a model package's feature set. The package is checked already."""
        return cls(feature_set_from_spec(json.loads((package / "feature_spec.json").read_bytes())))

    def warm(self) -> None:
        """Do what the first request would wait for: compile the kernels, or load them."""
        self._engine.warm()

    def from_bundle(self, bundle: bytes, prediction_time: datetime) -> Mapping[str, float | None]:
        """The features at ``prediction_time`` of the subject of a FHIR Bundle, or a JSON list of resources.

        None is missing. Where the Bundle holds several versions of a resource, each counts for its time.

        Raises :class:`DataError` when the Bundle cannot be read, does not hold exactly one Patient, or when
        ``prediction_time`` has no time zone.
        """
        return self._features(lambda reader: reader.rows_of_bundle(bundle), prediction_time)

    def from_resources(
        self, resources: Sequence[bytes], prediction_time: datetime
    ) -> Mapping[str, float | None]:
        """The same of resources, each the JSON text of one."""
        return self._features(lambda reader: reader.rows(resources), prediction_time)

    def _features(
        self, rows_by: Callable[[SilverReader], Mapping[str, list[Row]]], prediction_time: datetime
    ) -> Mapping[str, float | None]:
        if prediction_time.utcoffset() is None:
            raise DataError("The prediction time has no time zone", hint="For example 2026-01-31T09:30:00Z")
        with _collecting_later(), self._reader() as reader:
            rows = rows_by(reader)
            subjects = {row[0] for row in rows[_PATIENT]}
            if len(subjects) != 1:
                raise DataError("A Bundle must hold exactly one Patient", patients=len(subjects))
            own = {name: _of(subjects, found) for name, found in rows.items()}
            return self._engine.features(own, (prediction_time - _EPOCH) // _MICROSECOND)

    @contextmanager
    def _reader(self) -> Iterator[SilverReader]:
        """A reader for one request. It takes a second to make, so it is kept for the next, in any thread."""
        try:
            reader = self._idle.pop()
        except IndexError:
            reader = SilverReader(self._columns)
        try:
            yield reader
        finally:
            self._idle.append(reader)


def bundle_features(
    package: Path,
) -> Callable[[Sequence[bytes], datetime], Mapping[str, float | None]]:
    """A function from one subject's resources and the instant of prediction to the package's features.

    See :meth:`FeatureService.from_resources`. What the first request would wait for is done here.
    """
    service = FeatureService.from_package(package)
    service.warm()
    return service.from_resources


def _of(subjects: set[object], rows: list[Row]) -> list[Row]:
    """The rows of the subjects, who are the only ones more often than not."""
    if subjects.issuperset(map(_SUBJECT, rows)):
        return rows
    return [row for row in rows if row[0] in subjects]


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Without the search for cycles: a request makes thousands of tuples and no cycle, and a search in the
    middle of one would look at everything that the process holds."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


__all__ = ["FeatureService", "bundle_features"]

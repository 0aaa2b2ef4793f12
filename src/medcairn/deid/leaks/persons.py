"""Names, addresses, contacts, birth dates and places, wherever they are nested in a resource."""

from __future__ import annotations

from collections.abc import Mapping

from medcairn.deid.leaks.gathering import Gatherer
from medcairn.deid.leaks.report import LeakClass

_PLACES = frozenset({"Organization", "Location", "HealthcareService", "InsurancePlan", "Endpoint"})
_PEOPLE = frozenset({"Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"})
_PHONES = frozenset({"phone", "fax", "sms", "pager"})
_COORDINATES = ("latitude", "longitude")
_HOLDS_NAME = frozenset({"name", "valueHumanName"})


def gather_persons(value: object, into: Gatherer) -> None:
    """Take in what identifies people and places in a decoded resource: contained ones and entries too."""
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        key, item = waiting.pop()
        if isinstance(item, list):
            waiting.extend((key, inner) for inner in item)
        elif isinstance(item, dict):
            _object(key, item, into)
            waiting.extend(item.items())


def gather_reference(reference: str, display: str, into: Gatherer) -> None:
    """The name of a person or place as a reference shows it; ``reference`` may be its type alone."""
    parts = set(reference.split("?")[0].split("/")[-4:])
    if parts & _PEOPLE:
        into.person_shown(display)
    elif parts & _PLACES:
        into.facility(display)


def _object(key: str, item: dict[str, object], into: Gatherer) -> None:
    kind = item.get("resourceType")
    if "family" in item or "given" in item or (key in _HOLDS_NAME and isinstance(item.get("text"), str)):
        _human_name(item, into)
    if kind in _PLACES:
        for name in strings(item.get("name")) + strings(item.get("alias")):
            into.facility(name)
    elif kind in _PEOPLE:
        for name in strings(item.get("name")):
            into.full_name([], [], name)
    for day in strings(item.get("birthDate")):
        if len(day) == 10:
            into.day(day, LeakClass.BIRTH_DATE)
    _address(item, into)
    _contact(item, into)
    _coordinates(item, into)
    reference, display = item.get("reference"), item.get("display")
    if isinstance(reference, str) and isinstance(display, str):
        gather_reference(reference, display, into)
    url = item.get("url")
    if isinstance(url, str):
        _extension(url, item, into)
        if "contentType" in item:
            into.url(url)


def _human_name(item: Mapping[str, object], into: Gatherer) -> None:
    given, family = strings(item.get("given")), strings(item.get("family"))
    into.full_name(given, family)
    for whole in strings(item.get("text")):
        into.full_name(given, family, whole)


def _address(item: Mapping[str, object], into: Gatherer) -> None:
    for line in strings(item.get("line")):
        into.street(line)
    for city in strings(item.get("city")) + strings(item.get("district")):
        into.city(city)
    codes = strings(item.get("postalCode"))
    for code in codes:
        into.postal_code(code)
    if codes or "city" in item or "country" in item:
        for text in strings(item.get("text")):
            for part in text.replace("\n", ",").split(","):
                if part.strip()[:1].isdigit():
                    into.street(part)


def _contact(item: Mapping[str, object], into: Gatherer) -> None:
    system = item.get("system")
    for value in strings(item.get("value")):
        if system in _PHONES:
            into.phone(value)
        elif system == "email" or (system == "other" and "@" in value):
            into.email(value)
        elif system == "url":
            into.url(value)


def _extension(url: str, item: Mapping[str, object], into: Gatherer) -> None:
    if url.endswith("mothersMaidenName"):
        for name in strings(item.get("valueString")):
            into.full_name([], [], name)
            for part in name.split():
                into.name(part)
    elif url.endswith("birthTime"):
        for day in strings(item.get("valueDateTime")):
            into.day(day, LeakClass.BIRTH_DATE)


def _coordinates(item: Mapping[str, object], into: Gatherer) -> None:
    """``Location.position``, or the parts of the geolocation extension."""
    named = item.get("valueDecimal") if item.get("url") in _COORDINATES else None
    for number in (named, item.get("latitude"), item.get("longitude")):
        if isinstance(number, float):
            into.coordinate(repr(number))


def strings(value: object) -> list[str]:
    """The text or texts of an element."""
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


__all__ = ["gather_persons", "gather_reference", "strings"]

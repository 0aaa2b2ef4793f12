"""The classes of identifiers, after 45 CFR 164.514(b)(2)(i)."""

from __future__ import annotations

from enum import StrEnum


class IdentifierClass(StrEnum):
    """What kind of identifier a text holds."""

    NAME = "name"
    ADDRESS = "address"
    """A street line or a post office box."""
    CITY = "city"
    """A city or another place below the state."""
    POSTAL_CODE = "postal_code"
    FACILITY = "facility"
    DATE = "date"
    """A full date, whoever's it is."""
    PERSONAL_DATE = "personal_date"
    """A full date next to a word that ties it to a person: born, admitted, died."""
    PARTIAL_DATE = "partial_date"
    """A day of a month or a month of a year; the year alone is none."""
    AGE_OVER_89 = "age_over_89"
    PHONE = "phone"
    EMAIL = "email"
    SSN = "ssn"
    MRN = "mrn"
    HEALTH_PLAN = "health_plan"
    NPI = "npi"
    DEA = "dea"
    VEHICLE = "vehicle"
    IDENTIFIER = "identifier"
    """Any other number or code that belongs to one person: account, licence, device, visit."""
    URL = "url"
    URL_WITH_ID = "url_with_id"
    IP = "ip"
    MAC = "mac"


__all__ = ["IdentifierClass"]

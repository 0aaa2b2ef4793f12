"""What the guard reports: a class, a place, a keyed hash; never the value."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum

from medcairn.core.identifiers import IdentifierClass
from medcairn.core.labels import Label

_HASH_HEX = 24


class PhiClass(StrEnum):
    """Classes of identifiers that the guard knows, after 45 CFR 164.514(b)(2)(i)."""

    SSN = "ssn"
    MRN = "mrn"
    """A medical record, account, visit or health plan number."""
    PHONE = "phone"
    EMAIL = "email"
    STREET_ADDRESS = "street_address"
    DATE = "date"
    """A full date that is tied to a person."""
    NAME = "name"
    NPI = "npi"
    DEA = "dea"
    IP_ADDRESS = "ip_address"
    MAC_ADDRESS = "mac_address"
    URL_WITH_ID = "url_with_id"
    FREE_TEXT = "free_text"
    """Prose that is long, or written as a clinical note is: nobody can tell what stands in it."""


PHI_CLASS_OF: dict[IdentifierClass, PhiClass] = {
    IdentifierClass.SSN: PhiClass.SSN,
    IdentifierClass.MRN: PhiClass.MRN,
    IdentifierClass.HEALTH_PLAN: PhiClass.MRN,
    IdentifierClass.IDENTIFIER: PhiClass.MRN,
    IdentifierClass.PHONE: PhiClass.PHONE,
    IdentifierClass.EMAIL: PhiClass.EMAIL,
    IdentifierClass.ADDRESS: PhiClass.STREET_ADDRESS,
    IdentifierClass.CITY: PhiClass.STREET_ADDRESS,
    IdentifierClass.DATE: PhiClass.DATE,
    IdentifierClass.PERSONAL_DATE: PhiClass.DATE,
    IdentifierClass.NAME: PhiClass.NAME,
    IdentifierClass.NPI: PhiClass.NPI,
    IdentifierClass.DEA: PhiClass.DEA,
    IdentifierClass.IP: PhiClass.IP_ADDRESS,
    IdentifierClass.MAC: PhiClass.MAC_ADDRESS,
    IdentifierClass.URL_WITH_ID: PhiClass.URL_WITH_ID,
}
"""The guard's class of each class of the detector library that it looks for."""


@dataclass(frozen=True)
class PhiFinding:
    """One identifier that was found.

    ``location`` says where in what was looked at, such as ``params[3].value``; names that came with the data
    are replaced by their position. ``keyed_hash`` is the same for equal values under one key, so that who has
    the key can recognise a value again; nobody else can.
    """

    phi_class: PhiClass
    location: Label
    keyed_hash: str


def keyed_hash(key: bytes, phi_class: PhiClass, value: str) -> str:
    """24 hex digits of HMAC-SHA256 (RFC 2104) over the class and the value's letters and digits."""
    kept = "".join(mark for mark in value.casefold() if mark.isalnum())
    message = f"{phi_class.value}\0{kept}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, message, hashlib.sha256).hex()[:_HASH_HEX]


__all__ = ["PHI_CLASS_OF", "PhiClass", "PhiFinding", "keyed_hash"]

"""A configuration file of Microsoft's FHIR anonymizer as a checked record."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import NoReturn, Self

from medcairn.core.digests import Digest, digest_bytes
from medcairn.core.errors import SettingsError, UsageError
from medcairn.core.labels import Label
from medcairn.deid.ms_compat.rules import Method, Rule, read_rule

_KEYS = ("dateShiftKey", "cryptoHashKey", "encryptKey")
_AES_BYTES = (16, 24, 32)
_MOST_SHIFT_DAYS = 36_500


class DateShiftScope(StrEnum):
    """What shares one shift of dates."""

    RESOURCE = "resource"
    FILE = "file"
    FOLDER = "folder"


@dataclass(frozen=True)
class Parameters:
    """The ``parameters`` of the file. An empty key means that the file gives none."""

    date_shift_key: str = field(default="", repr=False)
    date_shift_scope: DateShiftScope = DateShiftScope.RESOURCE
    date_shift_fixed_days: int | None = None
    crypto_hash_key: str = field(default="", repr=False)
    encrypt_key: str = field(default="", repr=False)
    partial_ages: bool = False
    partial_dates: bool = False
    partial_zip_codes: bool = False
    restricted_zip_codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MsConfiguration:
    """Rules in the order of the file, parameters, and what to do when a rule cannot be applied to a value.

    ``skip_errors`` turns such a resource into an empty one; otherwise the run ends. ``digest`` is that of
    the file without its keys, so that it may be recorded.
    """

    rules: tuple[Rule, ...]
    parameters: Parameters
    skip_errors: bool
    digest: Digest
    keys_derived: bool = False

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a file.

        Raises :class:`UsageError` when it cannot be read, :class:`SettingsError` when it is not a
        configuration or asks for what is not supported; that one names the rule's index, from 0.
        """
        data: bytes | None = None
        with contextlib.suppress(OSError):
            data = path.read_bytes()
        if data is None:
            raise UsageError("The anonymizer configuration cannot be read", file=path)
        return cls.parse(data)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Check the content of a file. Raises :class:`SettingsError`."""
        document = _object(_json(data), "The anonymizer configuration is not a JSON object")
        _known(document, {"fhirVersion", "processingErrors", "fhirPathRules", "parameters"})
        if str(document.get("fhirVersion") or "R4").upper() != "R4":
            raise SettingsError(
                "The anonymizer configuration is for another FHIR version", hint="R4 is known"
            )
        errors = str(document.get("processingErrors") or "raise").lower()
        if errors not in ("raise", "skip"):
            raise SettingsError("processingErrors is raise or skip")
        rules = document.get("fhirPathRules")
        if not isinstance(rules, list):
            raise SettingsError("The anonymizer configuration has no fhirPathRules")
        return cls(
            tuple(read_rule(index, rule) for index, rule in enumerate(rules)),
            _parameters(_object(document.get("parameters", {}), "The parameters are not an object")),
            errors == "skip",
            _digest(document),
        )

    def keyed(self, secret: bytes) -> MsConfiguration:
        """The same with a key derived from ``secret`` wherever the file gives none.

        Microsoft's tool makes a random key then; a derived one gives the same output again.
        """

        def derived(present: str, purpose: str) -> str:
            made = hmac.new(secret, b"medcairn ms-compat " + purpose.encode(), hashlib.sha256).hexdigest()
            return present or made[:32]  # 32 characters: as long as AES-256 takes

        found = self.parameters
        parameters = replace(
            found,
            date_shift_key=derived(found.date_shift_key, "dateShiftKey"),
            crypto_hash_key=derived(found.crypto_hash_key, "cryptoHashKey"),
            encrypt_key=derived(found.encrypt_key, "encryptKey"),
        )
        return replace(self, parameters=parameters, keys_derived=parameters != found)

    def check_keys(self) -> None:
        """Raises :class:`SettingsError` when a rule needs a key that there is none for."""
        found = self.parameters
        has_any = bool(found.date_shift_key or found.crypto_hash_key or found.encrypt_key)
        has_shift = bool(found.date_shift_key) or found.date_shift_fixed_days is not None
        present = {
            Method.DATE_SHIFT: has_shift,
            Method.CRYPTO_HASH: bool(found.crypto_hash_key),
            Method.ENCRYPT: bool(found.encrypt_key),
            Method.PERTURB: has_any,
        }
        for rule in self.rules:
            if not present.get(rule.method, True):
                raise SettingsError(
                    "A rule needs a key, and the configuration leaves it empty",
                    hint="Give the pseudonym key, from which the missing keys are derived",
                    rule=rule.index,
                    method=rule.method,
                )

    @property
    def rules_without_target(self) -> tuple[int, ...]:
        """Indices of rules whose path names what no R4 resource has: they protect nothing."""
        return tuple(rule.index for rule in self.rules if not rule.has_target)


def _json(data: bytes) -> object:
    line = 0
    try:
        return json.loads(data.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse)
    except json.JSONDecodeError as failure:
        line = failure.lineno
    except (ValueError, RecursionError):
        pass
    raise SettingsError(
        "The anonymizer configuration is not JSON",
        hint="Comments and trailing commas are not JSON",
        line=line,
    )


def _refuse(constant: str) -> NoReturn:
    raise ValueError("not JSON")


def _parameters(found: Mapping[str, object]) -> Parameters:
    switches = {
        "enablePartialAgesForRedact": "partial_ages",
        "enablePartialDatesForRedact": "partial_dates",
        "enablePartialZipCodesForRedact": "partial_zip_codes",
    }
    others = {
        "dateShiftScope",
        "dateShiftFixedOffsetInDays",
        "restrictedZipCodeTabulationAreas",
        "customSettings",
    }
    _known(found, {*_KEYS, *switches, *others})
    texts = {key: _checked(found, key, "", lambda value: isinstance(value, str)) for key in _KEYS}
    flags = {key: _checked(found, key, False, lambda value: isinstance(value, bool)) for key in switches}
    scope = str(found.get("dateShiftScope") or "resource").lower()
    if scope not in set(DateShiftScope):
        raise SettingsError("dateShiftScope is resource, file or folder")
    days = _checked(found, "dateShiftFixedOffsetInDays", None, _is_days)
    areas = _checked(found, "restrictedZipCodeTabulationAreas", [], _is_texts)
    encrypt_key = str(texts["encryptKey"])
    if encrypt_key and len(encrypt_key.encode()) not in _AES_BYTES:
        raise SettingsError("encryptKey is 16, 24 or 32 bytes long")
    return Parameters(
        date_shift_key=str(texts["dateShiftKey"]),
        date_shift_scope=DateShiftScope(scope),
        date_shift_fixed_days=days if isinstance(days, int) else None,
        crypto_hash_key=str(texts["cryptoHashKey"]),
        encrypt_key=encrypt_key,
        partial_ages=flags["enablePartialAgesForRedact"] is True,
        partial_dates=flags["enablePartialDatesForRedact"] is True,
        partial_zip_codes=flags["enablePartialZipCodesForRedact"] is True,
        restricted_zip_codes=tuple(map(str, areas)) if isinstance(areas, list) else (),
    )


def _checked(
    found: Mapping[str, object], key: str, default: object, good: Callable[[object], bool]
) -> object:
    value = found.get(key)
    if value is None:
        return default
    if not good(value):
        raise SettingsError("A parameter is not of the kind that it must be", key=Label(key))
    return value


def _is_days(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST_SHIFT_DAYS


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


def _object(found: object, message: str) -> Mapping[str, object]:
    if not isinstance(found, Mapping):
        raise SettingsError(message)
    return found


def _known(found: Mapping[str, object], names: set[str]) -> None:
    unknown = len(found.keys() - names)
    if unknown:
        raise SettingsError(
            "The anonymizer configuration has keys that are not known",
            hint="Known here: " + ", ".join(sorted(names)),
            unknown=unknown,
        )


def _digest(document: Mapping[str, object]) -> Digest:
    parameters = document.get("parameters")
    public = dict(document)
    if isinstance(parameters, Mapping):
        public["parameters"] = {key: value for key, value in parameters.items() if key not in _KEYS}
    return digest_bytes(json.dumps(public, sort_keys=True, default=str).encode())


__all__ = ["DateShiftScope", "MsConfiguration", "Parameters"]

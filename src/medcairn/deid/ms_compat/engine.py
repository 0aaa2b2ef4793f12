"""Applies a configuration to one resource at a time, as Microsoft's tool does.

Rules run in the order of the file. The first that reaches a node decides about it and about what lies below,
except for resources inside, which are processed by themselves, after the one that holds them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import TypeAlias, overload

import msgspec

from medcairn.core.errors import DataError, SettingsError
from medcairn.deid.ms_compat.configuration import MsConfiguration
from medcairn.deid.ms_compat.dates import Dates
from medcairn.deid.ms_compat.keyed import CryptoHash, Encrypt, Perturb
from medcairn.deid.ms_compat.matching import Match, Resource, match_of
from medcairn.deid.ms_compat.nodes import (
    Document,
    Node,
    NotFhir,
    NotFhirReason,
    Reading,
    remove_empty,
    write_resource,
)
from medcairn.deid.ms_compat.outcome import Operation, add_labels, emptied
from medcairn.deid.ms_compat.redact import DATES, Redact
from medcairn.deid.ms_compat.replace import Generalize, Substitute
from medcairn.deid.ms_compat.rules import Cases, Method, Noise, Rule, Substitution
from medcairn.deid.ms_compat.values import CannotEvaluate

_Apply: TypeAlias = Callable[[Node], Operation | None]
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


class CannotProcess(Exception):
    """A rule cannot be applied to a resource. Stays inside the package."""

    def __init__(self, rule: int) -> None:
        super().__init__("a rule cannot be applied")
        self.rule = rule


class MsEngine:
    """A configuration ready to be applied; ages are reckoned on ``as_of``.

    ``prefix`` is the file's or folder's name, when dates are shifted by these. ``dropped`` counts members
    that are no R4 content, and ``emptied`` resources that an error emptied (``processingErrors: skip``).

    Raises :class:`SettingsError` when a rule needs a key that the configuration does not have.
    """

    def __init__(self, configuration: MsConfiguration, as_of: date, prefix: str = "") -> None:
        configuration.check_keys()
        self._configuration = configuration
        dates = Dates(configuration.parameters, as_of, prefix)
        self._rules = [
            (rule, match_of(rule.expression), _method(rule, configuration, dates))
            for rule in configuration.rules
        ]
        self._by_type: dict[str, list[tuple[Rule, Match, _Apply]]] = {}
        self.dropped = 0
        self.emptied = 0

    def document(self, document: object, only: str | None = None) -> dict[str, object]:
        """The anonymized resource; ``document`` is only read. ``only`` is the one type that it may have.

        Raises :class:`NotFhir`, and :class:`CannotProcess` unless the configuration skips errors.
        """
        reading = Reading()
        root = reading.resource(document)
        if only is not None and root.type != only:
            raise NotFhir(NotFhirReason.OTHER_TYPE)
        self.dropped += reading.dropped
        try:
            self._process(root)
            remove_empty(root)
        except CannotProcess:
            if not self._configuration.skip_errors:
                raise
            self.emptied += 1
            root = emptied(root.type)
        return write_resource(root)

    def line(self, line: bytes, only: str | None = None) -> bytes:
        """The same for JSON text. Raises as :meth:`document` does."""
        found: object = None
        readable = False
        try:
            found = _decode(line)
            readable = True
        except (msgspec.DecodeError, ValueError, RecursionError, ArithmeticError):
            pass
        if not readable:
            raise NotFhir(NotFhirReason.NOT_JSON)
        return _encode(self.document(found, only))

    def _process(self, resource: Node) -> set[Operation]:
        """Apply the rules to a resource, then to those inside, then label it."""
        found = Resource(resource)
        operations: set[Operation] = set()
        for rule, match, apply in self._rules_for(resource.type):
            try:
                for node in match(found):
                    _decide(node, apply, operations)
            except CannotEvaluate:
                failed = rule.index
            else:
                continue
            raise CannotProcess(failed)
        for inner in _resources_in(resource):
            operations |= self._process(inner)
        if resource.name != "contained":
            add_labels(resource, operations)
        return operations

    def _rules_for(self, resource_type: str) -> list[tuple[Rule, Match, _Apply]]:
        rules = self._by_type.get(resource_type)
        if rules is None:
            rules = [entry for entry in self._rules if entry[0].applies_to(resource_type)]
            self._by_type[resource_type] = rules
        return rules


@overload
def anonymize(resource: bytes, configuration: MsConfiguration, *, as_of: date, prefix: str = "") -> bytes: ...


@overload
def anonymize(
    resource: Document, configuration: MsConfiguration, *, as_of: date, prefix: str = ""
) -> dict[str, object]: ...


def anonymize(
    resource: bytes | Document, configuration: MsConfiguration, *, as_of: date, prefix: str = ""
) -> bytes | dict[str, object]:
    """One resource (JSON text or parsed, a Bundle too) as Microsoft's FHIR anonymizer gives it.

    The answer is of the kind that was given; ``resource`` is not changed. Decimals keep their digits
    (as ``Decimal`` in a parsed document). ``prefix`` is the name of the file or folder where the
    configuration shifts dates by these. This is not Safe Harbor: what leaves is what the rules let through.

    Raises :class:`DataError` when it is no R4 resource, or when a rule cannot be applied to it and the
    configuration does not say to skip that (then the rule's index, from 0, is named);
    :class:`SettingsError` when a rule needs a key that the configuration does not have.
    """
    engine = MsEngine(configuration, as_of, prefix)
    error: DataError
    try:
        return engine.line(resource) if isinstance(resource, bytes) else engine.document(resource)
    except NotFhir as failure:
        error = DataError("This is no FHIR R4 resource", reason=failure.reason)
    except CannotProcess as failure:
        error = cannot_process(failure)
    raise error


def cannot_process(failure: CannotProcess) -> DataError:
    """The public form of the error."""
    return DataError(
        "A rule of the anonymizer configuration cannot be applied to a resource",
        hint="Change the rule, or set processingErrors to skip: such resources are then emptied",
        rule=failure.rule,
    )


def _decide(node: Node, apply: _Apply, operations: set[Operation]) -> None:
    if node.visited:
        return
    operation = apply(node)
    node.visited = True
    if operation is not None:
        operations.add(operation)
    for child in node.children:
        if not child.is_resource:
            _decide(child, apply, operations)


def _resources_in(node: Node) -> list[Node]:
    return [found for found in node.descendants() if found.is_resource]


def _method(rule: Rule, configuration: MsConfiguration, dates: Dates) -> _Apply:
    parameters = configuration.parameters
    keys = (parameters.crypto_hash_key, parameters.date_shift_key, parameters.encrypt_key)
    match rule.method, rule.settings:
        case Method.KEEP, _:
            return lambda node: None
        case Method.REDACT, _:
            return Redact(parameters, dates)
        case Method.DATE_SHIFT, _:
            return lambda node: dates.shift(node) if node.type in DATES and node.value is not None else None
        case Method.CRYPTO_HASH, _:
            return CryptoHash(parameters.crypto_hash_key)
        case Method.ENCRYPT, _:
            return Encrypt(parameters.encrypt_key)
        case Method.PERTURB, Noise() as noise:
            return Perturb(next(filter(None, keys)), noise)
        case Method.SUBSTITUTE, Substitution(replace_with):
            return Substitute(replace_with)
        case Method.GENERALIZE, Cases() as cases:
            return Generalize(cases)
        case _:
            raise SettingsError("A rule has no settings for its method", rule=rule.index)


__all__ = ["CannotProcess", "MsEngine", "anonymize", "cannot_process"]

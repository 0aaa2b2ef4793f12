"""Deliberately broken policies: each lets something through, and the canary harness must see it.

A broken policy needs a kind that no policy has, ``verbatim``: the element leaves as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec
import pytest

from medcairn.core.r4 import json_fields
from medcairn.deid.canaries.planting import Place
from medcairn.deid.elements import Element, Kinds
from medcairn.deid.policy import CodeRule, Group, Leaf, Node, Policy, ResourcePolicy
from medcairn.deid.references import Reference

_HARMLESS = frozenset({"boolean", "integer", "positiveInt", "unsignedInt", "decimal"})
"""Kinds that take no text even when they leave as they are; the decoder's type check is another guard."""


@dataclass(frozen=True)
class Mutation:
    """A broken policy of one type, and where in that type its canaries sit."""

    name: str
    policy: Policy
    resource_type: str
    element: str

    def places(self, places: Mapping[str, tuple[Place, ...]]) -> list[Place]:
        """The harness's places in the broken element."""
        here = tuple(self.element.split("."))
        return [place for place in places[self.resource_type] if _names(place.path)[: len(here)] == here]


def allow_verbatim(patch: pytest.MonkeyPatch) -> None:
    """Teach the engine the kind that lets an element through as it is."""
    known = Kinds.element

    def element(self: Kinds, leaf: Leaf) -> Element:
        if leaf.kind == "verbatim":
            as_is: object = Reference if leaf.arguments else list[msgspec.Raw] if leaf.many else msgspec.Raw
            return Element(as_is, None)
        return known(self, leaf)

    patch.setattr(Kinds, "element", element)


def unlisted_element_listed(policy: Policy) -> Iterator[Mutation]:
    """Each text-bearing element of R4 that the policy leaves out of a type, let through."""
    for name, resource in policy.resources.items():
        for element, kind in _elements(name):
            if element not in resource.fields and kind not in _HARMLESS:
                fields = {**resource.fields, element: Leaf("verbatim")}
                yield _mutation(policy, resource, fields, element, "listed")


def listed_element_unchecked(policy: Policy) -> Iterator[Mutation]:
    """Each element that the policy checks or changes, let through as it is."""
    for resource in policy.resources.values():
        for path in _leaves(resource.fields, ()):
            as_subject = path == (resource.subject,)  # the engine reads it, so it stays a reference
            many = path == ("extension",)  # the engine adds to it, so it stays a list
            verbatim = Leaf("verbatim", ("Reference",) if as_subject else (), many)
            fields = _with(resource.fields, path, verbatim)
            yield _mutation(policy, resource, fields, ".".join(path), "unchecked")


def code_system_unchecked(policy: Policy) -> Iterator[Mutation]:
    """Each code system with a rule that takes anything."""
    anything = CodeRule(pattern=r"[\s\S]*")
    for system in policy.vocabulary.systems:
        systems = {**policy.vocabulary.systems, system: anything}
        broken = replace(policy, vocabulary=replace(policy.vocabulary, systems=systems))
        resource = policy.resources["Observation"]
        yield _mutation(broken, resource, resource.fields, "category", f"any code of {system}")


def age_limit_lost(policy: Policy) -> Iterator[Mutation]:
    """No limit on ages in years."""
    broken = replace(policy, vocabulary=replace(policy.vocabulary, age_limits={}))
    resource = policy.resources["Observation"]
    yield _mutation(broken, resource, resource.fields, "valueQuantity", "no age limit")


def _names(path: str) -> tuple[str, ...]:
    return tuple(name.partition("(")[0] for name in path.split(".") if not name.isdigit())


def _mutation(
    policy: Policy, resource: ResourcePolicy, fields: Mapping[str, Node], element: str, what: str
) -> Mutation:
    resources = {"Patient": policy.resources["Patient"], resource.name: replace(resource, fields=fields)}
    broken = replace(policy, resources=resources)
    return Mutation(f"{resource.name}.{element}: {what}", broken, resource.name, element)


def _elements(name: str) -> Iterator[tuple[str, str]]:
    """The JSON names of a type's elements, each with its type."""
    for element, field in json_fields(name).items():
        if element not in ("id", "modifierExtension", "implicitRules"):
            yield element, field.type


def _leaves(fields: Mapping[str, Node], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, node in fields.items():
        if isinstance(node, Group):
            yield from _leaves(node.fields, (*above, name))
        elif node.kind not in _HARMLESS:
            yield (*above, name)


def _with(fields: Mapping[str, Node], path: tuple[str, ...], new: Node) -> dict[str, Node]:
    first, *rest = path
    old = fields[first]
    if rest:
        assert isinstance(old, Group)
        new = replace(old, fields=_with(old.fields, tuple(rest), new))
    return {**fields, first: new}

"""What rules did to a resource, and the security labels that tell it."""

from __future__ import annotations

from enum import Enum

from medcairn.deid.ms_compat.nodes import Node

_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"


class Operation(Enum):
    """A kind of change with its label (system, code, display), in the order in which labels are added.

    CRYTOHASH is spelt so in HL7's code system; those without a system are not in it.
    """

    REDACT = (_SYSTEM, "REDACTED", "redacted")
    ABSTRACT = (_SYSTEM, "ABSTRED", "abstracted")
    CRYPTO_HASH = (_SYSTEM, "CRYTOHASH", "cryptographic hash function")
    ENCRYPT = (_SYSTEM, "MASKED", "masked")
    PERTURB = ("", "PERTURBED", "exact value is replaced with another exact value")
    SUBSTITUTE = ("", "SUBSTITUTED", "exact value is replaced with a predefined value")
    GENERALIZE = ("", "GENERALIZED", "exact value is replaced with a general value")


def add_labels(resource: Node, operations: set[Operation]) -> None:
    """Add to ``meta.security`` the labels that it does not have yet."""
    if not operations:
        return
    metas = resource.named("meta")
    meta = metas[0] if metas else _child(resource, "meta", "Meta", many=False)
    present = {
        str(code.value).upper()
        for coding in meta.named("security")
        for code in coding.named("code")
        if code.value is not None
    }
    for operation in Operation:
        system, code, display = operation.value
        if operation in operations and code not in present:
            coding = _child(meta, "security", "Coding", many=True)
            for name, type_name, value in (
                ("system", "uri", system),
                ("code", "code", code),
                ("display", "string", display),
            ):
                if value:
                    _child(coding, name, type_name, many=False).value = value


def emptied(resource_type: str) -> Node:
    """A resource with nothing but the label REDACTED."""
    node = Node("", "", resource_type, None)
    node.is_resource = True
    add_labels(node, {Operation.REDACT})
    return node


def _child(parent: Node, name: str, type_name: str, *, many: bool) -> Node:
    child = Node(name, name, type_name, parent, many=many)
    parent.children.append(child)
    return child


__all__ = ["Operation", "add_labels", "emptied"]

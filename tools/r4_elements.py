r"""Write the element table of FHIR R4 (4.0.1) from the official definitions.

The definitions (``profiles-types.xml``, ``profiles-resources.xml``, ``valuesets.xml``) are published by HL7
under CC0. A Maven registry carries them unchanged::

    mvn dependency:copy -DoutputDirectory=DIR \
        -Dartifact=ca.uhn.hapi.fhir:hapi-fhir-validation-resources-r4:8.4.0
    python tools/r4_elements.py DIR/hapi-fhir-validation-resources-r4-8.4.0.jar src/medcairn/core/r4

It writes ``elements.txt`` and ``codes.txt``; the same archive gives the same bytes.
"""

from __future__ import annotations

import hashlib
import sys
import textwrap
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree  # the archive is chosen by a developer, and its digest is written down

FHIR = "{http://hl7.org/fhir}"
DEFINITION = "http://hl7.org/fhir/StructureDefinition/"
VALUE_SET = "http://hl7.org/fhir/ValueSet/"
FHIRPATH_TYPE = "http://hl7.org/fhirpath/"
VERSION = "4.0.1"
SOURCES = {
    "types": "org/hl7/fhir/r4/model/profile/profiles-types.xml",
    "resources": "org/hl7/fhir/r4/model/profile/profiles-resources.xml",
    "codes": "org/hl7/fhir/r4/model/valueset/valuesets.xml",
}
ELEMENTS_HEADER = """\
# Elements of FHIR R4 (4.0.1), written by tools/r4_elements.py from the official definitions (HL7, CC0).
# One type a line: `Type < Parent: element type, …`. `*` repeats, `!` is required, `[x] a|b` is a choice of
# types, `any` the open list; `(A B)` is what a Reference or canonical may point to; `code#set` is a required
# binding (codes.txt has the closed lists). A dotted type is the backbone element of that path.
"""
CODES_HEADER = """\
# Codes of the required bindings in elements.txt, for value sets that are a closed list.
# Written by tools/r4_elements.py from the official definitions of FHIR R4 (4.0.1; HL7, CC0).
"""

Node = ElementTree.Element


def main(arguments: list[str]) -> int:
    """Read the archive, write the two files."""
    if len(arguments) != 2:
        sys.stderr.write("usage: r4_elements.py ARCHIVE OUTPUT_FOLDER\n")
        return 2
    with zipfile.ZipFile(arguments[0]) as archive:
        texts = {name: archive.read(path) for name, path in SOURCES.items()}
    trees = {name: ElementTree.fromstring(text) for name, text in texts.items()}  # noqa: S314 (see above)
    digests = "".join(
        f"# {SOURCES[n].rpartition('/')[2]} {hashlib.sha256(t).hexdigest()}\n" for n, t in texts.items()
    )
    bound: set[str] = set()
    sections = [list(_lines(trees[name], bound)) for name in ("types", "resources")]
    folder = Path(arguments[1])
    elements = "\n".join("\n".join(section) + "\n" for section in sections)
    folder.joinpath("elements.txt").write_text(f"{ELEMENTS_HEADER}{digests}\n{elements}", encoding="utf-8")
    codes = "".join(f"{line}\n" for line in _value_sets(trees["codes"], bound))
    folder.joinpath("codes.txt").write_text(f"{CODES_HEADER}{digests}\n{codes}", encoding="utf-8")
    return 0


def _lines(tree: Node, bound: set[str]) -> Iterator[str]:
    for definition in sorted(
        tree.iter(f"{FHIR}StructureDefinition"), key=lambda found: _value(found, "name")
    ):
        if _value(definition, "fhirVersion") != VERSION:
            raise SystemExit("not the definitions of FHIR R4 4.0.1")
        derived = _value(definition, "derivation") == "constraint"
        if derived or _value(definition, "kind") not in ("complex-type", "resource"):
            continue
        own: dict[str, list[str]] = {}
        parents = {_value(definition, "name"): _value(definition, "baseDefinition").removeprefix(DEFINITION)}
        for element in definition.iterfind(f"{FHIR}differential/{FHIR}element"):
            path = _value(element, "path")
            types = [_value(found, "code") for found in element.iterfind(f"{FHIR}type")]
            if types and types[0] in ("BackboneElement", "Element"):
                parents[path] = types[0]
            if "." in path:
                own.setdefault(path.rpartition(".")[0], []).append(_item(path, element, bound))
        for name, parent in parents.items():
            yield f"{name}{f' < {parent}' if parent else ''}: {', '.join(own.get(name, ()))}".rstrip(" ")


def _item(path: str, element: Node, bound: set[str]) -> str:
    name = path.rpartition(".")[2]
    choice = name.endswith("[x]")
    marks = ("*" if _value(element, "max") != "1" else "") + ("!" if _value(element, "min") != "0" else "")
    reference = _value(element, "contentReference")
    if reference:
        return f"{name}{marks} {reference.removeprefix('#')}"
    types = [_type(path, found, element, bound) for found in element.iterfind(f"{FHIR}type")]
    if choice and len(types) > 20:
        return f"{name}{marks} any" if path != "Extension.value[x]" else f"{name}{marks} {'|'.join(types)}"
    return f"{name}{marks} {'|'.join(types)}"


def _type(path: str, found: Node, element: Node, bound: set[str]) -> str:
    code = _value(found, "code")
    if code in ("BackboneElement", "Element"):
        return path
    if code.startswith(FHIRPATH_TYPE):  # the type of ids and of Extension.url is told by an extension
        # The definitions call Resource.id a string; the specification's own page and R5 call it an id.
        code = "id" if path == "Resource.id" else next(found.iter(f"{FHIR}valueUrl")).attrib["value"]
    targets = [_tail(target.attrib["value"]) for target in found.iterfind(f"{FHIR}targetProfile")]
    if targets:
        return f"{code}({' '.join('Any' if target == 'Resource' else target for target in targets)})"
    binding = element.find(f"{FHIR}binding")
    if code == "code" and binding is not None and _value(binding, "strength") == "required":
        value_set = _value(binding, "valueSet").partition("|")[0]
        bound.add(value_set)
        return f"{code}#{_tail(value_set)}"
    return code


def _value_sets(tree: Node, bound: set[str]) -> Iterator[str]:
    systems = {_value(found, "url"): found for found in tree.iter(f"{FHIR}CodeSystem")}
    sets = {_value(found, "url"): found for found in tree.iter(f"{FHIR}ValueSet")}
    for url in sorted(bound, key=_tail):
        codes = _codes(url, sets, systems)
        if codes:
            text = f"{_tail(url)}: {' '.join(codes)}"
            yield "\n".join(
                textwrap.wrap(
                    text, 110, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
                )
            )


def _codes(url: str, sets: dict[str, Node], systems: dict[str, Node]) -> list[str]:
    """The codes of a value set, or none when the definitions do not list them all."""
    found = sets.get(url)
    compose = found.find(f"{FHIR}compose") if found is not None else None
    if compose is None or compose.find(f"{FHIR}exclude") is not None:
        return []
    codes: list[str] = []
    for include in compose.iterfind(f"{FHIR}include"):
        part = _included(include, sets, systems)
        if not part:
            return []
        codes += [code for code in part if code not in codes]
    return codes


def _included(include: Node, sets: dict[str, Node], systems: dict[str, Node]) -> list[str]:
    if include.find(f"{FHIR}filter") is not None:
        return []
    nested = [_value_of(found) for found in include.iterfind(f"{FHIR}valueSet")]
    system = _value(include, "system")
    if nested:
        return _codes(nested[0].partition("|")[0], sets, systems) if len(nested) == 1 and not system else []
    listed = [_value(concept, "code") for concept in include.iterfind(f"{FHIR}concept")]
    if listed:
        return listed
    whole = systems.get(system)
    if whole is None or _value(whole, "content") != "complete":
        return []
    return [_value(concept, "code") for concept in whole.iter(f"{FHIR}concept")]


def _value(node: Node, name: str) -> str:
    found = node.find(f"{FHIR}{name}")
    return _value_of(found) if found is not None else ""


def _value_of(node: Node) -> str:
    return node.attrib["value"]


def _tail(url: str) -> str:
    return url.rpartition("/")[2]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

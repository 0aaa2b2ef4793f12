"""The options of ``medcairn export``, and the requests that they make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medcairn.export import BulkRequest, Credentials, Level, SearchRequest

_WHAT, _WHO, _HOW, _STORE = "What is exported", "Who asks", "How", "Object stores"

Source = Annotated[
    str | None,
    typer.Argument(
        help="FHIR base URL (https://…), an object store (s3://…, az://…, gs://…), or a folder of NDJSON or "
        "Bundle files. None: the study's."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for the NDJSON. It holds patients' data.")]
GroupId = Annotated[
    str | None,
    typer.Option("--group", help="Export the patients of this Group id.", rich_help_panel=_WHAT),
]
PatientLevel = Annotated[
    bool,
    typer.Option("--patient-level", help="Export all patients, and nothing else.", rich_help_panel=_WHAT),
]
Types = Annotated[
    str | None,
    typer.Option("--types", help="Resource types, with commas between.", rich_help_panel=_WHAT),
]
Since = Annotated[
    str | None,
    typer.Option("--since", help="Only what changed since this FHIR instant or day.", rich_help_panel=_WHAT),
]
Until = Annotated[
    str | None,
    typer.Option("--until", help="Only what changed before this instant or day.", rich_help_panel=_WHAT),
]
TypeFilters = Annotated[
    list[str] | None,
    typer.Option(
        "--type-filter",
        metavar="TYPE?QUERY",
        help="_typeFilter, such as Observation?category=laboratory; repeatable.",
        rich_help_panel=_WHAT,
    ),
]
Elements = Annotated[
    str | None,
    typer.Option("--elements", help="_elements, with commas between.", rich_help_panel=_WHAT),
]
Associated = Annotated[
    list[str] | None,
    typer.Option(
        "--include-associated-data",
        metavar="NAME",
        help="LatestProvenanceResources or RelevantProvenanceResources.",
        rich_help_panel=_WHAT,
    ),
]
PatientsFile = Annotated[
    Path | None,
    typer.Option(
        "--patients-file",
        help="Only these patients: a file with one id a line. Asked for by POST.",
        rich_help_panel=_WHAT,
    ),
]
ClientId = Annotated[
    str | None,
    typer.Option("--client-id", help="SMART Backend Services client id.", rich_help_panel=_WHO),
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", help="The client's private JWK or JWKS (mode 0600).", rich_help_panel=_WHO),
]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--client-secret-file",
        help="For servers that know no keys: the client's secret (mode 0600).",
        rich_help_panel=_WHO,
    ),
]
Jku = Annotated[
    str | None,
    typer.Option("--jwks-url", help="Where the server finds the client's public keys.", rich_help_panel=_WHO),
]
TokenOrigins = Annotated[
    list[str] | None,
    typer.Option(
        "--token-origin",
        metavar="URL",
        help="A further origin that may get the token; by default the server's own alone.",
        rich_help_panel=_WHO,
    ),
]
Incremental = Annotated[
    bool,
    typer.Option(
        "--incremental",
        help="Build on the last export in --out: fetch what changed, apply deletions, add new members.",
        rich_help_panel=_HOW,
    ),
]
DropDeparted = Annotated[
    bool,
    typer.Option(
        "--drop-departed", help="Drop the data of patients who left the group.", rich_help_panel=_HOW
    ),
]
Search = Annotated[
    bool,
    typer.Option(
        "--search",
        help="Use plain FHIR search, for a server without Bulk Data; needs --types.",
        rich_help_panel=_HOW,
    ),
]
PageSize = Annotated[
    int,
    typer.Option("--page-size", min=1, max=10000, help="Resources a page of a search.", rich_help_panel=_HOW),
]
Attachments = Annotated[
    bool,
    typer.Option("--attachments", help="Also fetch what attachments point to.", rich_help_panel=_HOW),
]
AttachmentOrigins = Annotated[
    list[str] | None,
    typer.Option(
        "--attachment-origin",
        metavar="URL",
        help="A further origin that attachments may come from; it gets no token.",
        rich_help_panel=_HOW,
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="URL", help="An object store's own address.", rich_help_panel=_STORE),
]
Region = Annotated[
    str | None, typer.Option("--region", help="The region of an S3 bucket.", rich_help_panel=_STORE)
]
Anonymous = Annotated[
    bool, typer.Option("--anonymous", help="Ask the store without credentials.", rich_help_panel=_STORE)
]
StoreCredentials = Annotated[
    Path | None,
    typer.Option(
        "--credentials-file",
        help="The store's credentials (mode 0600); by default from the environment.",
        rich_help_panel=_STORE,
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option("--ca-file", help="Certificates that the store's is checked by.", rich_help_panel=_STORE),
]
MaxExpanded = Annotated[
    float,
    typer.Option(
        "--max-expanded-gb", min=0.001, help="A compressed file may become so large.", rich_help_panel=_HOW
    ),
]
MaxRatio = Annotated[
    int,
    typer.Option("--max-ratio", min=2, help="And so many times its own size.", rich_help_panel=_HOW),
]
Nested = Annotated[
    bool, typer.Option("--nested", help="Read the sub-folders of a folder too.", rich_help_panel=_HOW)
]
Post = Annotated[bool, typer.Option("--post", help="Kick off by POST with Parameters.", rich_help_panel=_HOW)]
Parallel = Annotated[
    int, typer.Option("--parallel", min=1, max=32, help="Files fetched at a time.", rich_help_panel=_HOW)
]
TimeLimit = Annotated[
    float,
    typer.Option(
        "--time-limit-hours", min=0.01, max=24 * 30, help="Give up after so long.", rich_help_panel=_HOW
    ),
]
AllowPartial = Annotated[
    bool,
    typer.Option(
        "--allow-partial",
        help="Accept an export of which the server says something is missing.",
        rich_help_panel=_HOW,
    ),
]
NewKey = Annotated[
    Path | None,
    typer.Option(
        "--new-key",
        help="Make a client key in this file, print its public JWKS, and end.",
        rich_help_panel=_WHO,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Export again, and replace an export that is there.")]


@dataclass(frozen=True)
class Asked:
    """What is exported, as the options say it."""

    group: str | None = None
    patient_level: bool = False
    types: str | None = None
    since: str | None = None
    until: str | None = None
    type_filters: tuple[str, ...] = ()
    elements: str | None = None
    associated: tuple[str, ...] = ()
    patients_file: Path | None = None
    post: bool = False

    def bulk(self) -> BulkRequest:
        """The request of a Bulk Data export. Raises :class:`UsageError` for options that do not fit."""
        from medcairn.core.errors import UsageError
        from medcairn.export import BulkRequest

        if self.group is not None and self.patient_level:
            raise UsageError("An export is of a group or of all patients, not both")
        patients = tuple(f"Patient/{one}" for one in self._patients())
        level: Level = "patient" if self.patient_level or patients else "system"
        return BulkRequest(
            level="group" if self.group is not None else level,
            group=self.group,
            types=_listed(self.types),
            since=self.since,
            until=self.until,
            type_filters=self.type_filters,
            elements=_listed(self.elements),
            include_associated_data=self.associated,
            patients=patients,
            method="POST" if self.post else None,
        )

    def search(self, page_size: int) -> SearchRequest:
        """The request of a plain search. Raises :class:`UsageError` for what only Bulk Data can do."""
        from medcairn.core.errors import UsageError
        from medcairn.export import SearchRequest

        if self.group or self.patient_level or self.elements or self.associated or self.post:
            raise UsageError(
                "A plain search knows types, times, filters and patients alone",
                hint="Take --group, --patient-level, --elements, --include-associated-data and --post away",
            )
        parameters: dict[str, tuple[tuple[str, str], ...]] = {}
        for text in self.type_filters:
            name, pairs = _filter(text)
            parameters[name] = parameters.get(name, ()) + pairs
        return SearchRequest(
            types=_listed(self.types),
            since=self.since,
            until=self.until,
            page_size=page_size,
            patients=self._patients(),
            parameters=parameters,
        )

    def _patients(self) -> tuple[str, ...]:
        from medcairn.core.errors import UsageError

        if self.patients_file is None:
            return ()
        text: str | None = None
        try:
            text = self.patients_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            text = None
        ids = tuple(
            line.strip().removeprefix("Patient/") for line in (text or "").splitlines() if line.strip()
        )
        if not ids:
            raise UsageError("The file of patients cannot be read or is empty", file=self.patients_file)
        return ids


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _filter(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    from urllib.parse import parse_qsl

    name, _, query = text.partition("?")
    return name, tuple(parse_qsl(query, keep_blank_values=True))


def credentials_option(
    client_id: str | None, key: Path | None, secret_file: Path | None, jku: str | None
) -> Credentials | None:
    """Who asks, from the options; None: anybody. Raises :class:`UsageError` for half of it."""
    from medcairn.core.errors import UsageError
    from medcairn.export import load_credentials, load_secret

    if client_id is None and key is None and secret_file is None:
        return None
    if client_id is None or (key is None) == (secret_file is None):
        raise UsageError(
            "A client id and its key belong together",
            hint="Give --client-id with --key, or with --client-secret-file",
        )
    if secret_file is not None:
        return load_secret(client_id, secret_file)
    assert key is not None
    return load_credentials(client_id, key, jku=jku)


__all__ = ["Asked", "credentials_option"]

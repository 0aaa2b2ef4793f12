"""``medcairn deid canaries | risk | scrub | reidentify``: what goes with de-identification."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.deid_options import (
    KeyCommand,
    KeyEnv,
    KeyFile,
    PolicyFile,
    day_option,
    key_source,
    may_be_replaced,
    read_policy_option,
)
from medcairn.cli.output import JsonFlag, print_json, progress, say
from medcairn.cli.study import StudyFolder

if TYPE_CHECKING:
    from medcairn.deid.risk import RiskReport


def register(deid: typer.Typer) -> None:
    """Add the commands to the ``deid`` group."""
    deid.command("canaries")(canaries)
    deid.command("risk")(risk)
    deid.command("scrub")(scrub)
    deid.command("reidentify")(reidentify)


def canaries(policy: PolicyFile = None, as_json: JsonFlag = False) -> None:
    """Plant made-up identifiers of all 18 categories everywhere, and look for them in what a policy lets out.

    For each type of the policy: every text leaf that FHIR R4 defines, and the places where identifiers hide.
    Nobody's data are needed. Exit code 4 when a canary gets through.

    Example: medcairn deid canaries --policy ours.yaml
    """
    from tempfile import TemporaryDirectory

    from medcairn.deid import deidentify, new_key
    from medcairn.deid.canaries import AS_OF, all_places, run_canaries

    chosen = read_policy_option(policy)
    key = new_key()
    with TemporaryDirectory(prefix="medcairn-canaries-") as folder, progress(as_json) as shown:
        found = run_canaries(
            all_places(chosen),
            lambda source, output: deidentify(source, output, key=key, as_of=AS_OF, policy=chosen),
            Path(folder),
            progress=shown,
        )
    if as_json:
        print_json({"policy": f"{chosen.name}@{chosen.version}", "digest": chosen.digest, **found.facts()})
    else:
        say(f"Policy {chosen.name}@{chosen.version} {chosen.digest.short}")
        say(f"{found.canaries:,} canaries of {len(found.planted)} categories in {found.places:,} places")
        say(f"{found.leak_count:,} got through; {found.quarantined:,} were quarantined")
    found.refuse_leaks()


def risk(
    deid_dir: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of de-identified NDJSON.")],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for risk.json and risk.html.")],
    quasi_identifiers: Annotated[
        list[str] | None,
        typer.Option("--quasi-identifier", metavar="NAME", help="What an attacker may know; repeatable."),
    ] = None,
    sensitive: Annotated[
        list[str] | None,
        typer.Option("--sensitive", metavar="NAME", help="What must not be told by a class; repeatable."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="The title of the page.")] = "De-identified data",
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="The page's day; by default the data's.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Assess how well subjects hide among each other: k-anonymity, l-diversity, sample uniques.

    Example: medcairn deid risk lake/deid reports/risk --quasi-identifier birth_year:5 --quasi-identifier sex
    """
    from medcairn.core.artifacts import Zone, draft_artifact
    from medcairn.deid.risk import DEFAULT_QUASI_IDENTIFIERS, DEFAULT_SENSITIVE, assess_risk

    may_be_replaced(out_dir)
    with draft_artifact(out_dir, kind="risk", zone=Zone.AGGREGATE) as draft, progress(as_json) as shown:
        report = assess_risk(
            deid_dir,
            draft.folder,
            quasi_identifiers=quasi_identifiers or DEFAULT_QUASI_IDENTIFIERS,
            sensitive=sensitive or DEFAULT_SENSITIVE,
            as_of=None if as_of is None else day_option(as_of),
            name=name,
            progress=shown,
        )
        draft.facts = report.facts()
    if as_json:
        print_json({**report.facts(), "folder": str(out_dir)})
    else:
        _tell_risk(report, out_dir)


def _tell_risk(report: RiskReport, out_dir: Path) -> None:
    say(f"{report.subjects:,} subjects in {report.classes:,} classes; the smallest holds {report.k:,} (k)")
    say(f"  alone in their class: {report.share(report.sample_uniques):.1%}")
    for limit, count in sorted(report.below.items()):
        say(f"  in a class of fewer than {limit}: {report.share(count):.1%}")
    for one in report.diversities:
        say(f"  {one.title}: at least {one.l} values in each class (l)")
    say(f"Page: {out_dir / 'risk.html'}")


def scrub(
    in_dir: Annotated[Path, typer.Argument(metavar="IN_DIR", help="Folder of identified NDJSON.")],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder in the PHI zone.")],
    key_file: KeyFile = None,
    key_env: KeyEnv = None,
    key_command: KeyCommand = None,
    as_json: JsonFlag = False,
) -> None:
    """Scrub the texts of notes into one file. NOT Safe Harbor: keep the result in the PHI zone.

    Example: medcairn deid scrub phi/export phi/notes --key-file keys/pseudonym.key
    """
    from medcairn.core.artifacts import Zone, draft_artifact
    from medcairn.deid import Pseudonyms, load_key
    from medcairn.deid.scrub import STATEMENT, scrub_notes

    pseudonyms = Pseudonyms(load_key(key_source(key_file, key_env, key_command)))
    may_be_replaced(out_dir)
    with draft_artifact(out_dir, kind="scrub", zone=Zone.PHI) as draft, progress(as_json) as shown:
        report = scrub_notes(in_dir, draft.folder, pseudonyms=pseudonyms, progress=shown)
        draft.facts = report.facts()
    if as_json:
        print_json({**report.facts(), "folder": str(out_dir)})
        return
    say(f"{report.notes:,} notes of {report.subjects:,} subjects; {sum(report.replaced.values()):,} replaced")
    say(STATEMENT)


def reidentify(
    pseudonyms: Annotated[
        list[str], typer.Argument(metavar="PSEUDONYM...", help="As in the data, alone or as Type/PSEUDONYM.")
    ],
    reason: Annotated[
        str, typer.Option("--reason", help="care, incident, correction, subject-request or audit.")
    ],
    study: StudyFolder = Path(),
    as_json: JsonFlag = False,
) -> None:
    """Tell whom random pseudonyms stand for. The study's ledger records the act before the answer is shown.

    Example: medcairn deid reidentify 0f3c…e1 --reason care --study diabetes
    """
    from medcairn.pipeline.reidentification import reidentify as look_up

    found = look_up(study, pseudonyms, reason=reason)
    if as_json:
        print_json(
            {"sources": [None if one is None else f"{one.resource_type}/{one.source_id}" for one in found]}
        )
        return
    for pseudonym, one in zip(pseudonyms, found, strict=True):
        answer = "nobody that the crosswalk knows" if one is None else f"{one.resource_type}/{one.source_id}"
        say(f"{pseudonym}  {answer}")


__all__ = ["register"]

"""The registry of a study's model: its versions, their states, and the moves that people sign."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from medcairn import registry
from medcairn.access import Action, Given, Meaning
from medcairn.audit import EventType, Ledger, Proposal
from medcairn.core.canonical import JSON
from medcairn.core.digests import digest_json
from medcairn.core.errors import ExternalError, GateRefused, PolicyError, UsageError
from medcairn.core.labels import Label
from medcairn.core.lifecycle import SERVABLE, LifecycleState, check_transition, state_after
from medcairn.phi import PhiDetector
from medcairn.pipeline.approval import approval_record, move_case, release_case
from medcairn.pipeline.people import people_of
from medcairn.pipeline.signing import (
    approvals_of,
    leave_receipt,
    made_signature,
    new_session,
    signing_proposal,
)
from medcairn.pipeline.study import Study
from medcairn.pipeline.versions import ModelVersion, model_versions, version_named
from medcairn.registry import Check, ModelHistory, Move

FORM = "medcairn-transition-1"
_LONGEST_REASON = 200
_S = LifecycleState


class Step(Enum):
    """What a person may do to a version, and the action of the table of roles that it takes."""

    PROMOTE = Action.PROMOTE_MODEL
    ROLL_BACK = Action.ROLL_BACK_MODEL
    RETIRE = Action.RETIRE_MODEL


@dataclass(frozen=True)
class VersionState:
    """A version and how far it came; ``state`` is None before its validation."""

    version: ModelVersion
    state: LifecycleState | None
    waiting_for: tuple[Check, ...]
    """The checks before the next state that do not hold now."""

    def as_json(self) -> dict[str, JSON]:
        packaged = self.version.packaged
        return {
            "version": self.version.version,
            "state": self.state.value if self.state else None,
            "model": self.version.model.digest,
            "author": self.version.author,
            "package": packaged.digest if packaged else None,
            "waiting_for": [check.value for check in self.waiting_for],
        }


class ModelRegistry:
    """The versions of a study's model and their states. The ledger leads; MLflow's registry follows.

    ```python
    models = ModelRegistry(Path("diabetes"))
    for one in models.versions():
        print(one.version.version, one.state)
    models.promote("1", _S.CANARY, by="oscar", password=password, reason="Two weeks in shadow")
    ```

    Every move by a person is an e-signature over the move: version, package, old and new state, reason. A
    refusal is an entry of the ledger too, with the check that refused.
    """

    def __init__(self, study: Study | Path | str) -> None:
        self.study = study if isinstance(study, Study) else Study.open(Path(study))

    @property
    def name(self) -> str:
        """The registered model's name."""
        return self.study.model_name

    def history(self) -> ModelHistory:
        """Every transition that the ledger tells of."""
        return ModelHistory.of(self.name, self.study.events(EventType.MODEL_TRANSITIONED))

    def versions(self) -> tuple[VersionState, ...]:
        """Every version, oldest first, with what its next state waits for."""
        states = self.history().states
        found = []
        for number, version in model_versions(self.study).items():
            state = states.get(number)
            found.append(VersionState(version, state, self._waiting_for(version, state)))
        return tuple(found)

    def promote(
        self,
        version: str,
        to: LifecycleState,
        *,
        by: str,
        password: str,
        reason: str,
        code: str | None = None,
    ) -> Move:
        """Let ``version`` come into ``to`` (canary or production); who is in production steps down.

        Raises :class:`GateRefused` for a state that may not follow or a check that does not hold,
        :class:`PolicyError` when ``by`` may not, and :class:`Overtaken` when somebody else moved first.
        """
        if to not in (_S.CANARY, _S.PRODUCTION):
            raise UsageError(
                "People promote to canary and to production",
                hint="`medcairn run` brings a version as far as shadow",
            )
        history = self.history()
        beside: tuple[Move, ...] = ()
        standing = history.in_production()
        if to is _S.PRODUCTION and standing is not None and standing != version:
            beside = (Move(standing, _S.PRODUCTION, _S.SHADOW),)
        move = Move(version, history.states.get(version), to)
        return self._move(Step.PROMOTE, history, move, beside, reason, Given(by, password, code))

    def roll_back(
        self, version: str, *, by: str, password: str, reason: str, code: str | None = None
    ) -> tuple[Move, ...]:
        """Take a canary or the version in production back into shadow; all moves that this made.

        The version whose place it took comes back into production in the same act, when it still waits in
        shadow and every check before production holds for it. No gate holds a rollback up.

        Raises :class:`GateRefused` when ``version`` is in neither state, :class:`PolicyError`,
        :class:`Overtaken`.
        """
        history = self.history()
        beside: tuple[Move, ...] = ()
        before = history.replaced_by(version) if history.in_production() == version else None
        if before is not None and not self._refused(version_named(self.study, before), _S.PRODUCTION):
            beside = (Move(before, _S.SHADOW, _S.PRODUCTION),)
        move = Move(version, history.states.get(version), _S.SHADOW)
        self._move(Step.ROLL_BACK, history, move, beside, reason, Given(by, password, code))
        return (move, *beside)

    def retire(self, version: str, *, by: str, password: str, reason: str, code: str | None = None) -> Move:
        """Take ``version`` out of use for good. Raises as :meth:`roll_back` does."""
        history = self.history()
        move = Move(version, history.states.get(version), _S.RETIRED)
        return self._move(Step.RETIRE, history, move, (), reason, Given(by, password, code))

    def sync(self) -> int:
        """Let MLflow's registry show what the ledger says; how many versions it shows.

        Raises :class:`~medcairn.core.errors.ExternalError` when the store refuses.
        """
        shown = 0
        states = self.history().states
        for number, version in model_versions(self.study).items():
            if version.packaged is not None and version.packaged.registry_version is not None:
                registered = version.packaged.registry_version
                registry.follow(self.study.tracking_uri, self.name, registered, states[number])
                shown += 1
        return shown

    def _move(
        self,
        step: Step,
        history: ModelHistory,
        move: Move,
        beside: tuple[Move, ...],
        reason: str,
        given: Given,
    ) -> Move:
        """Sign and record what was decided on ``history``, unless it went on since."""
        found = version_named(self.study, move.version)
        record = self._record(found, move, beside, _checked_reason(reason), history.last_entry)
        with self.study.ledger() as ledger:
            signature = made_signature(
                ledger,
                new_session(self.study, given.name),
                given.password,
                record=digest_json(record),
                meaning=Meaning.RESPONSIBILITY,
                code=given.code,
                about={"model": self.name, "version": move.version, "gate": move.state.value},
            )
            try:
                self._check(step, found, move, signature.signer)
            except PolicyError as refusal:
                self._record_refusal(ledger, move, signature.signer, refusal)
                raise
            told = {**record, "authority": "signature", "signed": signature.record}
            del told["form"], told["after_entry"]
            moved = Proposal(
                EventType.MODEL_TRANSITIONED,
                f"person:{signature.signer}",
                told,
                inputs=(found.packaged.artifact,) if found.packaged else (found.model,),
            )
            signed = signing_proposal(record, signature)
            recorded = ledger.append_unless(EventType.MODEL_TRANSITIONED, history.last_entry, signed, moved)
            leave_receipt(self.study, ledger, recorded[-1])
        self._follow()
        return move

    def _record(
        self, version: ModelVersion, move: Move, beside: tuple[Move, ...], reason: str, after: int
    ) -> dict[str, JSON]:
        """What is signed. ``after_entry`` ties it to one place in the history, so it cannot be used again."""
        return {
            "form": FORM,
            "model": self.name,
            **move.as_json(),
            "package": version.packaged.digest if version.packaged else None,
            "reason": reason,
            "beside": [other.as_json() for other in beside],
            "after_entry": after,
        }

    def _check(self, step: Step, version: ModelVersion, move: Move, signer: Label) -> None:
        people = people_of(self.study)
        person = people.find(signer)
        assert person is not None  # has just signed
        people.permit(person, step.value, clock=self.study.clock)
        if step is Step.ROLL_BACK and move.previous not in (_S.CANARY, _S.PRODUCTION):
            state = move.previous or Label("none")
            raise GateRefused("Only a canary or a version in production is rolled back", state=state)
        check_transition(move.previous, move.state)
        if step is Step.PROMOTE:
            case = move_case(self.study, version, mover=signer)
            registry.pass_gate(self.study.gates(), move.state, case)

    def _record_refusal(self, ledger: Ledger, move: Move, signer: Label, refusal: PolicyError) -> None:
        fields: dict[str, JSON] = {
            **refusal.recordable_fields(),
            "gate": move.state.value,
            "code": refusal.code,
            "model": self.name,
            "version": move.version,
        }
        ledger.append(EventType.GATE_REFUSED, actor=f"person:{signer}", record=fields)

    def _follow(self) -> None:
        failure: ExternalError | None = None
        try:
            self.sync()
        except ExternalError as error:
            failure = error
        if failure is not None:
            raise ExternalError(
                "The move is recorded, but MLflow's registry does not show it yet",
                hint="Try `medcairn model sync`",
            )

    def _waiting_for(self, version: ModelVersion, state: LifecycleState | None) -> tuple[Check, ...]:
        following = state_after(state)
        return self._refused(version, following) if following is not None else ()

    def _refused(self, version: ModelVersion, state: LifecycleState) -> tuple[Check, ...]:
        if state is _S.APPROVED and version.model.digest == self.study.artifacts()["model"].digest:
            approvals = approvals_of(self.study, approval_record(self.study).digest)
            return registry.refused_checks(
                self.study.gates(), state, release_case(self.study, version, approvals)
            )
        return registry.refused_checks(self.study.gates(), state, move_case(self.study, version))


def check_servable(study: Study, version: str) -> None:
    """Pass unless ``version`` of the study's model was retired, or never came as far as approval.

    Raises :class:`GateRefused`.
    """
    state = ModelRegistry(study).history().states.get(version)
    if state not in SERVABLE:
        raise GateRefused(
            "This version of the model is not served in its present state",
            hint="medcairn model list",
            version=Label(version),
            state=state or Label("none"),
        )


def _checked_reason(reason: str) -> str:
    """Raises :class:`UsageError` for a reason that is none."""
    short = reason.strip()
    if not short or not short.isprintable() or len(short) > _LONGEST_REASON:
        raise UsageError(
            "A move needs a reason, on one line and at most 200 characters long",
            hint="The ledger keeps it for good: write no names of patients into it",
        )
    found = PhiDetector(secrets.token_bytes(32)).find(short, location=Label("reason"))
    if found:
        raise UsageError(
            "The reason looks as if it held an identifier, and the ledger keeps it for good",
            hint="Say it without people, dates and numbers that point to them",
            identifier=found[0].phi_class,
        )
    return short


__all__ = ["FORM", "ModelRegistry", "VersionState", "check_servable"]

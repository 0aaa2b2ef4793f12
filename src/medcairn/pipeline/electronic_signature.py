"""E-signatures of a study, for programs: sign, verify, show (21 CFR 11.50, 11.70, 11.200)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from medcairn.access import ESignature, Meaning, SigningKey, SigningSession, manifestation_text
from medcairn.audit import EventType
from medcairn.core.errors import IntegrityError
from medcairn.core.labels import Label
from medcairn.pipeline.people import key_ring
from medcairn.pipeline.signing import new_session, sign_record
from medcairn.pipeline.signing_desk import record_to_sign
from medcairn.pipeline.study import Study


class ElectronicSignature:
    """Signs and checks records of the study in ``study_folder``.

    >>> signatures = ElectronicSignature(Path("diabetes"))                      # doctest: +SKIP
    >>> made = signatures.sign("protocol", "ada", password, meaning=Meaning.APPROVED)  # doctest: +SKIP
    >>> print(signatures.manifestation(made))                                   # doctest: +SKIP
    Ada Lovelace, MD
    2026-11-21 09:30:00 UTC
    approved

    What can be signed: ``candidate`` (the validated model), ``protocol`` (before it is executed) and
    ``change-control`` (the plan that ``study.yaml`` names). An object keeps one session of signing for each
    person: the first signing takes password and one-time code, later ones the password, until the session
    was idle for as long as the study's policy says.
    """

    def __init__(self, study_folder: Study | Path | str) -> None:
        """Raises :class:`~medcairn.core.errors.SettingsError` when there is no study in the folder."""
        self.study = study_folder if isinstance(study_folder, Study) else Study.open(Path(study_folder))
        self._sessions: dict[str, SigningSession] = {}

    def sign(
        self, what: str, name: str, password: str, *, meaning: Meaning, code: str | None = None
    ) -> ESignature:
        """Sign ``what`` as ``name``, record it in the ledger, and leave a receipt in the study.

        Raises :class:`~medcairn.core.errors.PolicyError` for somebody who is not authenticated or may not,
        :class:`~medcairn.core.errors.UsageError` when there is nothing to sign or it is signed already.
        """
        record = record_to_sign(self.study, what)
        return sign_record(
            self.study,
            name,
            password,
            signed=record.signed,
            meaning=meaning,
            code=code,
            looked_at=record.looked_at,
            session=self._session(name),
        )

    def verify(self, signature: ESignature) -> SigningKey:
        """The key that made ``signature``, when the ledger recorded it and the key was its signer's then.

        Raises :class:`IntegrityError` that names the check.
        """
        for stored in self.study.events(EventType.RECORD_SIGNED):
            if stored.event.record.get("signature") == signature.as_json():
                recorded_at = datetime.fromisoformat(stored.event.recorded_at)
                return key_ring(self.study).verify(signature, recorded_at=recorded_at)
        raise IntegrityError("The ledger holds no such e-signature", check=Label("recorded"))

    def manifestation(self, signature: ESignature) -> str:
        """Printed name, time in UTC and meaning, as people read them (21 CFR 11.50)."""
        return manifestation_text([signature])

    def _session(self, name: str) -> SigningSession:
        return self._sessions.setdefault(name, new_session(self.study, name))


__all__ = ["ElectronicSignature"]

"""People, roles × actions, credentials, tokens and e-signatures (21 CFR Part 11).

:class:`People` is where to begin. Signing in with an organisation's OpenID Connect provider is in
``medcairn.access.organisation`` and needs the extra ``organisation``.
"""

from medcairn.access.authentication import Given
from medcairn.access.credentials.password_rules import check_new_password
from medcairn.access.credentials.passwords import Argon2Cost, Passwords
from medcairn.access.notices import Notice, NoticeKind, Outbox, Reason
from medcairn.access.people import Invitation, People, check_allowed
from medcairn.access.person import Person
from medcairn.access.policy import AccessPolicy, LockOut, PasswordPolicy, SigningPolicy, read_policy
from medcairn.access.roles import Action, Role, action_table, action_table_digest, is_allowed
from medcairn.access.second_factor import Enrolment
from medcairn.access.services.tokens import IssuedToken, Scope, ServiceToken
from medcairn.access.signing.endorsements import Endorsement, ProofMethod
from medcairn.access.signing.key_history import key_ring_of
from medcairn.access.signing.key_ring import KeyRing, Revoked, SigningKey
from medcairn.access.signing.manifestation import (
    manifestation_json,
    manifestation_lines,
    manifestation_text,
)
from medcairn.access.signing.sessions import SigningSession
from medcairn.access.signing.signatures import ESignature, Meaning, verify_signature
from medcairn.access.standing import Training

__all__ = [
    "AccessPolicy",
    "Action",
    "Argon2Cost",
    "ESignature",
    "Endorsement",
    "Enrolment",
    "Given",
    "Invitation",
    "IssuedToken",
    "KeyRing",
    "LockOut",
    "Meaning",
    "Notice",
    "NoticeKind",
    "Outbox",
    "PasswordPolicy",
    "Passwords",
    "People",
    "Person",
    "ProofMethod",
    "Reason",
    "Revoked",
    "Role",
    "Scope",
    "ServiceToken",
    "SigningKey",
    "SigningPolicy",
    "SigningSession",
    "Training",
    "action_table",
    "action_table_digest",
    "check_allowed",
    "check_new_password",
    "is_allowed",
    "key_ring_of",
    "manifestation_json",
    "manifestation_lines",
    "manifestation_text",
    "read_policy",
    "verify_signature",
]

"""People, roles × actions, credentials and e-signatures (21 CFR Part 11)."""

from medcairn.access.passwords import Argon2Cost, Passwords, check_new_password
from medcairn.access.people import LockOut, People, Person, check_allowed
from medcairn.access.roles import Action, Role, action_table, is_allowed
from medcairn.access.signatures import ESignature, Meaning, verify_signature

__all__ = [
    "Action",
    "Argon2Cost",
    "ESignature",
    "LockOut",
    "Meaning",
    "Passwords",
    "People",
    "Person",
    "Role",
    "action_table",
    "check_allowed",
    "check_new_password",
    "is_allowed",
    "verify_signature",
]

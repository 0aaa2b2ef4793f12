"""Signing in with an organisation's OpenID Connect provider. Needs the extra ``organisation`` (Authlib)."""

from medcairn.access.organisation.logins import OrganisationLogins
from medcairn.access.organisation.provider import Identity, OrganisationProvider, PendingLogin
from medcairn.access.organisation.settings import OrganisationSettings, parse_organisation

__all__ = [
    "Identity",
    "OrganisationLogins",
    "OrganisationProvider",
    "OrganisationSettings",
    "PendingLogin",
    "parse_organisation",
]

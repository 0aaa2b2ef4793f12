"""Checking an ID token (OpenID Connect Core 1.0, 3.1.3.7): seal, issuer, audience, times and nonce."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from medcairn.access.organisation.settings import OrganisationSettings
from medcairn.core.errors import PolicyError
from medcairn.core.labels import Label

LEEWAY_SECONDS = 60
_LONGEST_SUBJECT = 255


@dataclass(frozen=True)
class Expected:
    """What the token must fit: our settings, the nonce of this sign-in, the access token beside it, now."""

    settings: OrganisationSettings
    nonce: str
    access_token: str | None
    now: datetime


def checked_claims(id_token: object, keys: object, expected: Expected) -> Mapping[str, object]:
    """The claims of the token, when every check holds.

    Raises :class:`PolicyError` that names the check: ``seal``, ``claims``, ``auth_time`` or ``amr``.
    """
    token = _unsealed(id_token, keys, expected.settings)
    if token is None:
        raise _refused("seal")
    if not _claims_hold(token, expected):
        raise _refused("claims")
    _check_sign_in(token.claims, expected)
    return dict(token.claims)


def _unsealed(id_token: object, keys: object, settings: OrganisationSettings) -> jwt.Token | None:
    if not isinstance(id_token, str) or not isinstance(keys, dict):
        return None
    try:
        key_set = KeySet.import_key_set(cast("KeySetSerialization", keys))
        return jwt.decode(id_token, key_set, algorithms=list(settings.algorithms))
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _claims_hold(token: jwt.Token, expected: Expected) -> bool:
    settings = expected.settings
    options = {
        "iss": {"essential": True, "value": settings.issuer},
        "aud": {"essential": True, "value": settings.client_id},
        "sub": {"essential": True},
        "exp": {"essential": True},
        "iat": {"essential": True},
        "nonce": {"essential": True, "value": expected.nonce},
    }
    params = {
        "client_id": settings.client_id,
        "nonce": expected.nonce,
        "access_token": expected.access_token,
    }
    try:
        claims = CodeIDToken(token.claims, token.header, options, params)
        claims.validate(now=int(expected.now.timestamp()), leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError, KeyError):
        return False
    return 0 < len(str(token.claims["sub"])) <= _LONGEST_SUBJECT


def _check_sign_in(claims: Mapping[str, object], expected: Expected) -> None:
    """When and how the person signed in there: ``auth_time`` is essential, for we ask with ``max_age``."""
    at = claims.get("auth_time")
    oldest = expected.settings.freshness_minutes * 60 + LEEWAY_SECONDS
    if not isinstance(at, (int, float)) or not expected.now.timestamp() - at <= oldest:
        raise _refused("auth_time")
    methods, required = claims.get("amr"), expected.settings.required_method
    if required is not None and not (isinstance(methods, list) and required in methods):
        raise _refused("amr")


def _refused(check: str) -> PolicyError:
    return PolicyError(
        "The organisation's ID token was refused",
        hint="Sign in again; should it stay so, compare the provider's settings with ours",
        check=Label(check),
    )


__all__ = ["LEEWAY_SECONDS", "Expected", "checked_claims"]

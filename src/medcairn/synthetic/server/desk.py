"""What all handlers share: the records, the faults, who may come in, and which address is ours."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from medcairn.synthetic.server.answers import Refused
from medcairn.synthetic.server.changes import Records
from medcairn.synthetic.server.faults import Faults, Phase, Redirect
from medcairn.synthetic.server.passing import PassingErrors
from medcairn.synthetic.server.tokens import Grant, TokenOffice

_ANYONE = Grant(client_id="", types=None, scope="system/*.rs", expires=float("inf"))


@dataclass
class Desk:
    """``elsewhere_port`` is that of the second listener, which stands for another host; 0 without one."""

    records: Records
    office: TokenOffice
    faults: Faults
    open_access: bool
    elsewhere_port: int = 0
    errors: PassingErrors = field(init=False)

    def __post_init__(self) -> None:
        self.errors = PassingErrors(self.faults)

    @property
    def files_need_token(self) -> bool:
        """What the manifest says in ``requiresAccessToken``."""
        return not self.open_access and not self.faults.files_without_token

    def passing_error(self, request: Request, phase: Phase) -> Response | None:
        """The error that is due instead of the answer."""
        url = request.url
        return self.errors.answer(phase, f"{request.method} {url.path}?{url.query}")

    def authorised(self, request: Request, resource_type: str | None = None) -> Grant:
        """Who asks. Raises :class:`Refused`: 401 without a valid token, 403 for a type out of scope."""
        if self.open_access:
            return _ANYONE
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        grant = self.office.grant(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            headers = {"WWW-Authenticate": "Bearer"}
            raise Refused(401, "login", "A valid access token is needed", headers=headers)
        if resource_type is not None and grant.types is not None and resource_type not in grant.types:
            raise Refused(403, "forbidden", "The token's scope does not cover this type")
        return grant

    def without_token(self, request: Request) -> None:
        """Raises :class:`Refused` (400) for a request with a token, as a store of signed addresses does."""
        if "authorization" in request.headers:
            raise Refused(400, "security", "This address takes no token; it is its own permission")

    def base(self, request: Request) -> str:
        """The FHIR base URL under which the client came."""
        return f"{request.url.scheme}://{request.url.netloc}/fhir"

    def token_url(self, request: Request) -> str:
        """The token endpoint."""
        return f"{self.base(request)}/auth/token"

    def elsewhere(self, request: Request) -> str:
        """The root of the second listener: another port, or also another name for the same machine."""
        host = request.url.hostname or "127.0.0.1"
        if self.faults.redirect is not Redirect.PORT:
            host = "localhost" if host != "localhost" else "127.0.0.1"
        return f"http://{host}:{self.elsewhere_port or request.url.port}"


__all__ = ["Desk"]

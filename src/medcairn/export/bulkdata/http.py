"""The transport: httpx behind our errors, with retries, and a token that never leaves its server."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, Self
from urllib.parse import urljoin

import httpx

from medcairn.core.errors import ExternalError, TransientError, raise_alone
from medcairn.export.bulkdata.origins import Origin, check_target
from medcairn.export.bulkdata.waiting import Patience

ATTEMPTS: Final = 6
"""Tries of one request, with backoff between them: about half a minute when the server says nothing."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOST_REDIRECTS: Final = 5
_LONGEST_DOCUMENT_BYTES: Final = 256 << 20
_TIMEOUT: Final = httpx.Timeout(60.0, connect=15.0)


class Tokens(Protocol):
    """Where bearer tokens come from."""

    def current(self) -> str:
        """A token that is valid now."""
        ...

    def refused(self, token: str) -> None:
        """The server did not accept ``token``: the next one must be new."""
        ...


@dataclass(frozen=True)
class Answer:
    """A whole response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in _TRANSIENT


class HttpClient:
    """Requests to one FHIR server, and to the hosts that it points to.

    ``tokens`` may be set after the token endpoint was found; until then nothing carries a token. Safe to
    use from several threads.
    """

    def __init__(self, home: Origin, patience: Patience) -> None:
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)  # below that they log URLs and headers
        self.home = home
        self.patience = patience
        self.tokens: Tokens | None = None
        self._answered = False
        self._client = httpx.Client(timeout=_TIMEOUT, follow_redirects=False, mounts=_direct(home))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(
        self,
        method: str,
        url: str,
        *,
        authorize: bool = False,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        attempts: int = ATTEMPTS,
    ) -> Answer:
        """The whole response to one request, tried again while the failure may pass.

        The last answer is returned whatever its status. Raises :class:`ExternalError` when there is none.
        """
        for attempt in range(1, attempts + 1):
            lost: TransientError | None = None
            answer: Answer | None = None
            try:
                answer = self._ask_once(method, url, authorize, headers or {}, form)
            except TransientError as failure:
                lost = failure
            if answer is not None and (not answer.transient or attempt == attempts):
                return answer
            if lost is not None and attempt == attempts:
                raise lost
            self.patience.wait_to_retry(attempt, answer.headers.get("retry-after") if answer else None)
        raise AssertionError("a request has at least one attempt")

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        authorize: bool,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
    ) -> Iterator[httpx.Response]:
        """One response whose body is still to be read; redirects followed, a 401 retried with a new token.

        httpx's errors inside the block come out as ours.
        """
        response: httpx.Response | None = None
        with self._translated():
            try:
                response = self._open(method, url, authorize, headers, form)
                self._answered = True
                yield response
            finally:
                if response is not None:
                    response.close()

    def _ask_once(
        self,
        method: str,
        url: str,
        authorize: bool,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
    ) -> Answer:
        body = bytearray()
        with self.stream(method, url, authorize=authorize, headers=headers, form=form) as response:
            for block in response.iter_bytes():
                body += block
                if len(body) > _LONGEST_DOCUMENT_BYTES:
                    raise ExternalError("The server's answer is too long", server=self.home.label)
            lowered = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, lowered, bytes(body))

    def _open(
        self,
        method: str,
        url: str,
        authorize: bool,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
    ) -> httpx.Response:
        renewed = False
        for _ in range(_MOST_REDIRECTS + 1):
            self.patience.check()
            sent = dict(headers)
            token = self._token_for(check_target(url, self.home)) if authorize else None
            if token is not None:
                sent["Authorization"] = f"Bearer {token}"
            request = self._client.build_request(method, url, headers=sent, data=form)
            response = self._client.send(request, stream=True)
            if response.status_code == 401 and token is not None and not renewed:
                response.close()
                renewed = True
                self._refuse(token)
            elif response.status_code in _REDIRECTS and "location" in response.headers:
                response.close()
                if method != "GET":
                    raise ExternalError(
                        "The server redirects a request that must not be", server=self.home.label
                    )
                url = urljoin(url, response.headers["location"])
            else:
                return response
        raise ExternalError("The server redirects without end", server=self.home.label)

    def _token_for(self, target: Origin) -> str | None:
        return self.tokens.current() if self.tokens is not None and target == self.home else None

    def _refuse(self, token: str) -> None:
        if self.tokens is not None:
            self.tokens.refused(token)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        error: ExternalError | None = None
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as failure:
            error = self._translation(failure)
        if error is not None:
            raise_alone(error)

    def _translation(self, failure: Exception) -> ExternalError:
        """Ours for one of httpx's. Until the server has answered once, a failed connection is final."""
        server = self.home.label
        if _certificate_refused(failure):
            return ExternalError(
                "The server's certificate is not trusted",
                hint="Name your organisation's certificate authority in SSL_CERT_FILE",
                server=server,
            )
        if isinstance(failure, (httpx.ConnectError, httpx.ConnectTimeout)):
            kind = TransientError if self._answered else ExternalError
            return kind(
                "The FHIR server cannot be reached",
                hint="Check the address, and that the server runs and lets this machine in",
                server=server,
            )
        if isinstance(failure, httpx.TransportError):
            return TransientError(
                "The connection to the FHIR server was lost",
                hint="Run the same command again; it goes on where it stopped",
                server=server,
            )
        if isinstance(failure, httpx.DecodingError):
            return TransientError("The server sent a body that cannot be decompressed", server=server)
        return ExternalError("The server gave an address or answer that cannot be used", server=server)


def _direct(home: Origin) -> dict[str, httpx.BaseTransport | None]:
    """A proxy from the environment is of no use for this machine's own servers."""
    return {f"all://{home.host}": None} if home.loopback and ":" not in home.host else {}


def _certificate_refused(failure: BaseException) -> bool:
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


__all__ = ["ATTEMPTS", "Answer", "HttpClient", "Tokens"]

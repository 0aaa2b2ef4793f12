"""The transport: httpx behind our errors, with retries, and a token that never leaves its server."""

from __future__ import annotations

import logging
import ssl
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, Self
from urllib.parse import urljoin

import httpx

from medcairn.core.errors import ExternalError, TransientError, raise_alone
from medcairn.export.bulkdata.origins import Origin, check_target
from medcairn.export.bulkdata.outcomes import passing
from medcairn.export.bulkdata.waiting import Patience

ATTEMPTS: Final = 6
"""Tries of one request, with backoff between them: about half a minute when the server says nothing."""

PATIENT_ATTEMPTS: Final = 30
"""Tries while a job runs, which may outlast a restart of the server: about 25 minutes of silence."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TRANSIENT: Final = frozenset({408, 425, 429, 502, 503, 504})
_MOST_REDIRECTS: Final = 5
_TOKENS_REMEMBERED: Final = 16
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
        """Whether the same request may succeed later.

        A 500 with an OperationOutcome says so itself: when its code is none that passes, the failure is
        final. Without one it may be anything, and is tried again.
        """
        if self.status < 400:
            return False
        if self.status in _TRANSIENT:
            return True
        said = passing(self.body)
        return said or (said is None and self.status == 500)

    @property
    def outage(self) -> bool:
        """Whether the server says that it is busy or away, which may last longer than a mishap."""
        return self.status in _TRANSIENT or bool(self.status >= 400 and passing(self.body))


@dataclass(frozen=True)
class _Sent:
    """A request but for its token."""

    method: str
    url: str
    authorize: bool
    headers: Mapping[str, str]
    form: Mapping[str, str] | None = None
    body: bytes | None = None


class HttpClient:
    """Requests to one FHIR server, and to the hosts that it points to.

    ``tokens`` may be set after the token endpoint was found; until then nothing carries a token. Tokens go to
    ``token_origins`` alone, which is ``home`` when not given. Safe to use from several threads.
    """

    def __init__(
        self, home: Origin, patience: Patience, *, token_origins: frozenset[Origin] | None = None
    ) -> None:
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)  # below that they log URLs and headers
        self.home = home
        self.patience = patience
        self.tokens: Tokens | None = None
        self._token_origins = token_origins or frozenset({home})
        self._sent_tokens: deque[str] = deque(maxlen=_TOKENS_REMEMBERED)
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
        body: bytes | None = None,
        attempts: int = ATTEMPTS,
        attempts_when_lost: int | None = None,
    ) -> Answer:
        """The whole response to one request, tried again while the failure may pass.

        More ``attempts`` than :data:`ATTEMPTS` are for outages alone; ``attempts_when_lost`` are tries
        without an answer, as many unless given. The last answer is returned whatever its status. Raises
        :class:`ExternalError` when there is none.
        """
        sent = _Sent(method, url, authorize, headers or {}, form, body)
        for attempt in range(1, attempts + 1):
            lost: TransientError | None = None
            answer: Answer | None = None
            try:
                answer = self._ask_once(sent)
            except TransientError as failure:
                lost = failure
            if answer is not None:
                last = attempts if answer.outage else min(attempts, ATTEMPTS)
                if not answer.transient or attempt >= last:
                    return answer
            if lost is not None and attempt >= (attempts_when_lost or attempts):
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
        with self._streamed(_Sent(method, url, authorize, headers, form)) as response:
            yield response

    def without_tokens(self, text: str) -> str:
        """``text`` of a server without the tokens that it may have echoed."""
        for token in tuple(self._sent_tokens):
            text = text.replace(token, "(token)")
        return text

    @contextmanager
    def _streamed(self, sent: _Sent) -> Iterator[httpx.Response]:
        response: httpx.Response | None = None
        with self._translated():
            try:
                response = self._open(sent)
                self._answered = True
                yield response
            finally:
                if response is not None:
                    response.close()

    def _ask_once(self, sent: _Sent) -> Answer:
        body = bytearray()
        with self._streamed(sent) as response:
            for block in response.iter_bytes():
                body += block
                if len(body) > _LONGEST_DOCUMENT_BYTES:
                    raise ExternalError("The server's answer is too long", server=self.home.label)
            lowered = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, lowered, bytes(body))

    def _open(self, sent: _Sent) -> httpx.Response:
        renewed, url = False, sent.url
        for _ in range(_MOST_REDIRECTS + 1):
            self.patience.check()
            headers = {"Accept-Encoding": "identity" if self.home.loopback else "gzip", **sent.headers}
            target = check_target(url, self.home)
            token = self._token_for(target) if sent.authorize else None
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
            request = self._client.build_request(
                sent.method, url, headers=headers, data=sent.form, content=sent.body
            )
            response = self._client.send(request, stream=True)
            if response.status_code == 401 and token is not None and not renewed:
                response.close()
                renewed = True
                self._refuse(token)
            elif response.status_code in _REDIRECTS and "location" in response.headers:
                response.close()
                if sent.method != "GET":
                    raise ExternalError(
                        "The server redirects a request that must not be", server=self.home.label
                    )
                url = urljoin(url, response.headers["location"])
            else:
                return response
        raise ExternalError("The server redirects without end", server=self.home.label)

    def _token_for(self, target: Origin) -> str | None:
        if self.tokens is None or target not in self._token_origins:
            return None
        token = self.tokens.current()
        if token not in self._sent_tokens:
            self._sent_tokens.append(token)
        return token

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


__all__ = ["ATTEMPTS", "PATIENT_ATTEMPTS", "Answer", "HttpClient", "Tokens"]

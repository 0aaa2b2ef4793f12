"""One-time codes against the vectors of RFC 6238 (appendix B, 18 of them) and RFC 4226 (appendix D, 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
from hypothesis import given
from hypothesis import strategies as st

from medcairn.access.credentials.one_time_codes import (
    code_of_step,
    matching_step,
    new_secret,
    provisioning_uri,
    secret_text,
    step_at,
)

Algorithm = type[SHA1] | type[SHA256] | type[SHA512]

ASCII = b"1234567890" * 7
SECRETS: dict[Algorithm, bytes] = {SHA1: ASCII[:20], SHA256: ASCII[:32], SHA512: ASCII[:64]}

RFC_6238 = """
    seconds      T                 SHA1      SHA256    SHA512
    59           0000000000000001  94287082  46119246  90693936
    1111111109   00000000023523EC  07081804  68084774  25091201
    1111111111   00000000023523ED  14050471  67062674  99943326
    1234567890   000000000273EF07  89005924  91819424  93441116
    2000000000   0000000003F940AA  69279037  90698825  38618901
    20000000000  0000000027BC86AA  65353130  77737706  47863826
"""
RFC_4226 = """755224 287082 359152 969429 338314 254676 287922 162583 399871 520489"""


def vectors() -> list[tuple[int, int, Algorithm, str]]:
    rows = [line.split() for line in RFC_6238.strip().splitlines()[1:]]
    return [
        (int(seconds), int(step, 16), algorithm, code)
        for seconds, step, *codes in rows
        for algorithm, code in zip(SECRETS, codes, strict=True)
    ]


@pytest.mark.part11("11.300(e)")
@pytest.mark.parametrize(("seconds", "step", "algorithm", "code"), vectors())
def test_rfc_6238(seconds: int, step: int, algorithm: Algorithm, code: str) -> None:
    assert step_at(datetime.fromtimestamp(seconds, UTC)) == step
    assert code_of_step(SECRETS[algorithm], step, digits=8, algorithm=algorithm()) == code


def test_every_vector_is_there() -> None:
    assert (len(vectors()), len(RFC_4226.split())) == (18, 10)


@pytest.mark.parametrize(("counter", "code"), list(enumerate(RFC_4226.split())))
def test_rfc_4226(counter: int, code: str) -> None:
    assert code_of_step(ASCII[:20], counter) == code


NOW = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)
NEAR = [(-2, False), (-1, True), (0, True), (1, True), (2, False)]


@pytest.mark.parametrize(("steps", "matches"), NEAR)
def test_a_clock_may_be_off_by_one_step(steps: int, matches: bool) -> None:
    step = step_at(NOW) + steps
    found = matching_step(SECRETS[SHA1], code_of_step(SECRETS[SHA1], step), NOW)
    assert found == (step if matches else None)


@given(st.text(max_size=12))
def test_what_is_no_code_matches_nothing(text: str) -> None:
    secret = SECRETS[SHA1]
    near = {code_of_step(secret, step_at(NOW) + off) for off in (-1, 0, 1)}
    assert (matching_step(secret, text, NOW) is not None) == (text in near)


def test_what_the_app_reads() -> None:
    secret = new_secret()
    uri = urlsplit(provisioning_uri(secret, name="ada@ward", issuer="medcairn"))
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", "/medcairn:ada@ward")
    assert parse_qs(uri.query) == {
        "secret": [secret_text(secret)],
        "issuer": ["medcairn"],
        "digits": ["6"],
        "period": ["30"],
    }
    assert len(secret) == 20 and new_secret() != secret

"""An e-signature holds for one person, one record and one meaning, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.access import ESignature, Meaning, People, verify_signature
from medcairn.core.canonical import JSON
from medcairn.core.clock import FixedClock
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import IntegrityError, PolicyError
from medcairn.core.labels import Label

PASSWORD = "mare horse battery"
RECORD = digest_bytes(b"the record")
OTHER = digest_bytes(b"another record")


@pytest.fixture
def signature(people: People, clock: FixedClock) -> ESignature:
    return people.sign("ada", PASSWORD, record=RECORD, meaning=Meaning.APPROVED, clock=clock)


@pytest.mark.part11("11.50(a)(1)", "11.50(a)(2)", "11.50(a)(3)")
def test_a_signature_verifies_with_the_key_of_the_store(people: People, signature: ESignature) -> None:
    verify_signature(signature, public_key=people.public_keys()["ada"], record=RECORD)
    assert (signature.signer, signature.printed_name, signature.meaning) == (
        "ada",
        "Ada Okafor",
        Meaning.APPROVED,
    )


def test_it_survives_json(signature: ESignature) -> None:
    assert ESignature.from_json(signature.as_json()) == signature


TAMPERED: dict[str, Callable[[ESignature], ESignature]] = {
    "signer": lambda s: replace(s, signer=Label("dan")),
    "printed name": lambda s: replace(s, printed_name="Dan Ruiz"),
    "time": lambda s: replace(s, signed_at=s.signed_at + timedelta(microseconds=1)),
    "meaning": lambda s: replace(s, meaning=Meaning.REVIEWED),
    "record": lambda s: replace(s, record=OTHER),
    "seal": lambda s: replace(s, seal="00" * 64),
    "seal cut": lambda s: replace(s, seal=s.seal[:-2]),
    "seal is no hex": lambda s: replace(s, seal="zz" * 64),
}


@pytest.mark.part11("11.10(a)", "11.70")
@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_changed_signature_does_not_verify(
    signature: ESignature, change: Callable[[ESignature], ESignature]
) -> None:
    with pytest.raises(IntegrityError, match="seal"):
        verify_signature(change(signature), public_key=signature.public_key)


@pytest.mark.part11("11.70")
def test_a_signature_moved_to_another_record_fails(signature: ESignature) -> None:
    with pytest.raises(IntegrityError, match="another record"):
        verify_signature(signature, public_key=signature.public_key, record=OTHER)


@pytest.mark.part11("11.100(a)")
def test_a_signature_with_a_key_of_ones_own_is_not_adas(
    people: People, signature: ESignature, clock: FixedClock
) -> None:
    dans = people.sign("dan", "correct staple cow", record=RECORD, meaning=Meaning.AUTHORED, clock=clock)
    with pytest.raises(IntegrityError, match="another key"):
        verify_signature(replace(dans, signer=signature.signer), public_key=people.public_keys()["ada"])


@given(st.binary(min_size=1, max_size=40), st.integers(min_value=0))
def test_no_flipped_bit_of_the_sealed_bytes_verifies(noise: bytes, place: int) -> None:
    """The seal covers every byte: the body with a changed printed name never verifies."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from medcairn.access.signing.signatures import seal_signature
    from medcairn.core.clock import SystemClock

    sealed = seal_signature(
        Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
        signer=Label("ada"),
        printed_name="Ada Okafor",
        signed_at=SystemClock().now(),
        meaning=Meaning.APPROVED,
        record=RECORD,
    )
    seal = bytearray(bytes.fromhex(sealed.seal))
    seal[place % len(seal)] ^= noise[0] or 1
    with pytest.raises(IntegrityError):
        verify_signature(replace(sealed, seal=bytes(seal).hex()), public_key=sealed.public_key)


def test_signing_takes_the_password(people: People, clock: FixedClock) -> None:
    with pytest.raises(PolicyError, match="wrong"):
        people.sign("ada", "not the password", record=RECORD, meaning=Meaning.APPROVED, clock=clock)


@pytest.mark.part11("11.10(g)")
def test_signing_takes_a_role_that_may(people: People, clock: FixedClock) -> None:
    with pytest.raises(PolicyError, match="roles"):
        people.sign("dan", "correct staple cow", record=RECORD, meaning=Meaning.APPROVED, clock=clock)


BROKEN: dict[str, Callable[[dict[str, JSON]], dict[str, JSON]]] = {
    "empty": lambda _: {},
    "missing": lambda value: {key: item for key, item in value.items() if key != "seal"},
    "extra": lambda value: {**value, "more": "x"},
    "not text": lambda value: {**value, "printed_name": 1},
    "no meaning": lambda value: {**value, "meaning": "whatever"},
    "no digest": lambda value: {**value, "record": "sha256:0"},
    "no time": lambda value: {**value, "signed_at": "yesterday"},
    "other form": lambda value: {**value, "form": "medcairn-esignature-2"},
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_signature_is_refused(
    signature: ESignature, change: Callable[[dict[str, JSON]], dict[str, JSON]]
) -> None:
    with pytest.raises(IntegrityError, match="cannot be read"):
        ESignature.from_json(change(dict(signature.as_json())))

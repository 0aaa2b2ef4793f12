"""Methods under a key: cryptoHash, encrypt and the noise of perturb."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, DecimalException, localcontext

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from medcairn.core.r4 import INTEGERS, resource_types
from medcairn.deid.ms_compat.nodes import Node
from medcairn.deid.ms_compat.outcome import Operation
from medcairn.deid.ms_compat.rules import Noise
from medcairn.deid.ms_compat.values import CannotEvaluate, plain_text

_QUANTITIES = frozenset({"Quantity", "Age", "Count", "Distance", "Duration", "Money"})
_NUMBERS = INTEGERS | {"decimal"}
_BLOCK_BITS = 128
_DIGITS = 60
_ID = r"[A-Za-z0-9.-]{1,64}"
_LITERAL = (
    re.compile(
        r"(?P<prefix>(?:https?://[A-Za-z0-9\\/.:%$]*)?(?:"
        + "|".join(sorted(resource_types()))
        + rf")/)(?P<id>{_ID})(?P<suffix>(?:/_history/{_ID})?)"
    ),
    re.compile(r"(?P<prefix>urn:oid:)(?P<id>[0-2](?:\.(?:0|[1-9][0-9]*))+)(?P<suffix>)"),
    re.compile(
        r"(?P<prefix>urn:uuid:)(?P<id>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?P<suffix>)"
    ),
    re.compile(r"(?P<prefix>#)(?P<id>.*)(?P<suffix>)", re.DOTALL),
)


class CryptoHash:
    """HMAC-SHA256 of a value, in hex; of a literal reference only the id, so that links still meet."""

    def __init__(self, key: str) -> None:
        self._state = hmac.new(key.encode(), digestmod=hashlib.sha256)

    def __call__(self, node: Node) -> Operation | None:
        """Put the hash in place of the node's value."""
        if node.value is None:
            return None
        text = plain_text(node.value)
        in_reference = (
            node.parent is not None and node.parent.type == "Reference" and node.name == "reference"
        )
        node.value = self.reference(text) if in_reference else self.text(text)
        return Operation.CRYPTO_HASH

    def reference(self, text: str) -> str:
        """A reference with its id hashed; one whose id cannot be told is hashed as a whole."""
        for form in _LITERAL:
            found = form.fullmatch(text)
            if found is not None:
                return f"{found['prefix']}{self.text(found['id'])}{found['suffix']}"
        return self.text(text)

    def text(self, text: str) -> str:
        """64 hex digits."""
        state = self._state.copy()
        state.update(text.encode())
        return state.hexdigest()


class Encrypt:
    """AES in CBC mode with PKCS#7 padding, initialisation vector first, in base64.

    The tool draws the vector at random. Here it is an HMAC of the value and its place, so that the same
    input gives the same output and equal values in different places still differ.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def __call__(self, node: Node) -> Operation | None:
        """Put the ciphertext in place of the node's value."""
        if node.value is None:
            return None
        text = plain_text(node.value)
        vector = _keyed(self._key, node, text)[:16]
        padder = PKCS7(_BLOCK_BITS).padder()
        encryptor = Cipher(algorithms.AES(self._key), modes.CBC(vector)).encryptor()
        padded = padder.update(text.encode()) + padder.finalize()
        node.value = base64.b64encode(vector + encryptor.update(padded) + encryptor.finalize()).decode()
        return Operation.ENCRYPT


class Perturb:
    """Uniform noise on numbers and quantities; drawn from an HMAC of the value and its place."""

    def __init__(self, key: str, noise: Noise) -> None:
        self._key = key.encode()
        self._noise = noise

    def __call__(self, node: Node) -> Operation | None:
        """Add noise to the node's number, or to the value of a quantity, whose other parts are then kept."""
        target = node
        if node.type in _QUANTITIES:
            target = next(iter(node.named("value")), node)
        if target.type not in _NUMBERS or target.value is None or target.visited:
            return None
        target.value = self._perturbed(target)
        for other in node.descendants():
            other.visited = True
        return Operation.PERTURB

    def _perturbed(self, node: Node) -> int | Decimal:
        whole = node.type in INTEGERS
        value = Decimal(str(node.value))
        part = int.from_bytes(_keyed(self._key, node, str(node.value))[:8], "big")
        try:
            with localcontext(prec=_DIGITS):
                width = self._noise.span * (value if self._noise.proportional else 1)
                noisy = value + width * (Decimal(part) / Decimal(2**64) - Decimal("0.5"))
                places = 0 if whole else self._noise.round_to
                rounded = noisy.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
        except DecimalException:
            rounded = None
        if rounded is None:
            raise CannotEvaluate("A number is too large for noise")
        least = {"positiveInt": 1, "unsignedInt": 0}.get(node.type)
        if not whole:
            return rounded
        return int(rounded) if least is None else max(least, int(rounded))


def _keyed(key: bytes, node: Node, text: str) -> bytes:
    place = f"{node.root.type}/{node.root.id_text}\0{node.location}\0{text}"
    return hmac.digest(key, place.encode(), "sha256")


Method = Callable[[Node], Operation | None]

__all__ = ["CryptoHash", "Encrypt", "Method", "Perturb"]

"""RSA keys as opaque handles: read once, checked, never printed. Source: contract 5.

Merchant and platform keys of this API are often 1024 bits long and come as base64 without PEM
armour, sometimes under the wrong PEM label; all of that is read. A key below 2048 bits warns once.
Reading a private key checks it in full, which takes 40 ms and more: ``load`` does it in a thread.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import warnings
from collections.abc import Mapping
from typing import Final, Literal, NoReturn, TypeVar

import anyio.to_thread
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding as paddings, rsa

from fincard_async._sansio.secret import Secret
from fincard_async.errors import ConfigError

from .files import read_private

Padding = Literal["pkcs1v15", "oaep-sha1", "oaep-sha256"]
"""How blocks are sealed. Every known delivery has ``pkcs1v15`` (contract 5); prefer OAEP if the
platform ever offers it."""

_LEAST_BITS = 1024
_SOUND_BITS = 2048
_IMPLICIT_REJECTION = 0x30200000
"""OpenSSL from which on a wrong padding gives noise instead of an error that could be measured."""
_ARMOUR = re.compile(rb"-----[A-Z ]+-----|\s+")
_UNREADABLE = "the key is not an RSA key in PEM, DER or base64"
_LOCKED = "the key needs a password, or the password is wrong"

_PADDINGS: Final[Mapping[Padding, tuple[paddings.AsymmetricPadding, int]]] = {
    "pkcs1v15": (paddings.PKCS1v15(), 11),
    "oaep-sha1": (
        paddings.OAEP(paddings.MGF1(hashes.SHA1()), hashes.SHA1(), None),
        42,
    ),
    "oaep-sha256": (paddings.OAEP(paddings.MGF1(hashes.SHA256()), hashes.SHA256(), None), 66),
}
"""Each with the bytes of a block that it takes for itself."""


class WeakKeyWarning(UserWarning):
    """An RSA key shorter than 2048 bits is in use; the API still issues such keys."""


class _Key:
    """What both kinds of keys refuse: to be printed, copied or pickled."""

    __slots__ = ("_bits", "_padding")

    def __init__(self, bits: int, padding: Padding) -> None:
        if bits < _LEAST_BITS:
            raise ConfigError(f"an RSA key must have at least {_LEAST_BITS} bits, not {bits}")
        if padding not in _PADDINGS:
            raise ConfigError(f"padding must be one of {', '.join(_PADDINGS)}")
        self._bits = bits
        self._padding: Padding = padding

    @property
    def bits(self) -> int:
        """Size of the modulus."""
        return self._bits

    @property
    def block_bytes(self) -> int:
        """Bytes of one sealed block, and of a signature."""
        return (self._bits + 7) // 8

    @property
    def text_bytes(self) -> int:
        """Bytes of text that one sealed block holds."""
        return self.block_bytes - _PADDINGS[self._padding][1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<{self._bits} bits>)"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be copied or pickled")

    __copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = _refuse


K = TypeVar("K", bound=_Key)


class PublicKey(_Key):
    """Seals values for the holder of the private key, and checks that holder's signatures."""

    __slots__ = ("_key",)

    def __init__(self, key: rsa.RSAPublicKey, padding: Padding = "pkcs1v15") -> None:
        super().__init__(key.key_size, padding)
        self._key = key

    @classmethod
    def parse(cls, data: bytes | str) -> PublicKey:
        """Read PEM, DER or bare base64 (X.509 SubjectPublicKeyInfo, or PKCS#1 in PEM).

        Raises:
            ConfigError: It is none of these, or not RSA, or too short.
        """
        for attempt in _spellings(data):
            try:
                key = serialization.load_der_public_key(attempt)
            except (ValueError, TypeError, UnsupportedAlgorithm):
                continue
            if isinstance(key, rsa.RSAPublicKey):
                return _weighed(cls(key))
        raise ConfigError(_UNREADABLE)

    def pem(self) -> str:
        """The key as PEM text."""
        return self._key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode("ascii")

    def encrypt(self, text: bytes) -> bytes:
        """One block, in the padding of this key."""
        return self._key.encrypt(text, _PADDINGS[self._padding][0])

    def verifies(self, signature: bytes, body: bytes) -> bool:
        """True if the holder of the private key signed exactly these bytes: RSASSA-PKCS1-v1_5 with
        SHA-256 and nothing else (contract 1.5, 4).
        """
        if len(signature) != self.block_bytes:
            return False
        try:
            self._key.verify(signature, body, paddings.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


class PrivateKey(_Key):
    """Opens values that were sealed for this key, and signs."""

    __slots__ = ("_key",)

    def __init__(self, key: rsa.RSAPrivateKey, padding: Padding = "pkcs1v15") -> None:
        super().__init__(key.key_size, padding)
        if padding == "pkcs1v15":
            _need_implicit_rejection(backend.openssl_version_text(), backend)
        self._key = key

    @classmethod
    def parse(
        cls,
        data: bytes | str,
        password: Secret | str | None = None,
        *,
        padding: Padding = "pkcs1v15",
    ) -> PrivateKey:
        """Read PEM, DER or bare base64 (PKCS#8 or PKCS#1, also under the wrong label).

        Raises:
            ConfigError: It is none of these, not RSA, too short, or the password does not fit.
        """
        key = _read_private(data, password)
        del data, password  # a raised error shows the variables of its frames
        if isinstance(key, str):
            raise ConfigError(key)
        return _weighed(cls(key, padding))

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        password: Secret | str | None = None,
        *,
        padding: Padding = "pkcs1v15",
    ) -> PrivateKey:
        """Read a key file; see ``parse``. A file that others can read warns.

        Raises:
            ConfigError: The file cannot be read, others can write it, or it holds no usable key.
        """
        found = read_private(path)
        if isinstance(found, str):
            raise ConfigError(found)
        key = _read_private(found, password)
        del found, password
        if isinstance(key, str):
            raise ConfigError(key)
        return _weighed(cls(key, padding))

    @classmethod
    def from_env(
        cls,
        name: str = "FINCARD_CARD_KEY",
        password: Secret | str | None = None,
        *,
        padding: Padding = "pkcs1v15",
        environ: Mapping[str, str] | None = None,
    ) -> PrivateKey:
        """Read the key that a variable names, or holds. A file is better: children inherit the
        environment, and diagnostics print it.

        Raises:
            ConfigError: The variable is not set, or leads to no usable key.
        """
        text = (os.environ if environ is None else environ).get(name)
        if not text:
            raise ConfigError(f"{name} is not set")
        if not is_key_text(text):
            return cls.from_file(text, password, padding=padding)
        key = _read_private(text, password)
        del text, password, environ
        if isinstance(key, str):
            raise ConfigError(key)
        return _weighed(cls(key, padding))

    @classmethod
    async def load(
        cls,
        path: str | os.PathLike[str],
        password: Secret | str | None = None,
        *,
        padding: Padding = "pkcs1v15",
    ) -> PrivateKey:
        """``from_file`` in a worker thread, so that the event loop goes on during the check.

        Raises:
            ConfigError: As ``from_file``.
        """
        return await anyio.to_thread.run_sync(
            lambda: cls.from_file(path, password, padding=padding)
        )

    @classmethod
    def generate(cls, bits: int = _SOUND_BITS) -> PrivateKey:
        """Make a new key, for tests and the sandbox."""
        return _weighed(cls(rsa.generate_private_key(public_exponent=65537, key_size=bits)))

    def public_key(self) -> PublicKey:
        """The other half."""
        return PublicKey(self._key.public_key(), self._padding)

    def with_padding(self, padding: Padding) -> PrivateKey:
        """The same key for values that are sealed in another way."""
        return PrivateKey(self._key, padding)

    def pem(self) -> Secret:
        """The key as PKCS#8 PEM text, without a password."""
        text = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return Secret(text.decode("ascii"))

    def decrypt(self, block: bytes) -> bytes:
        """One block. A wrong key may give random bytes and no error: check the shape."""
        return self._key.decrypt(block, _PADDINGS[self._padding][0])

    def sign(self, body: bytes) -> bytes:
        """The signature of these bytes: RSASSA-PKCS1-v1_5 with SHA-256 (contract 1.5, 4)."""
        return self._key.sign(body, paddings.PKCS1v15(), hashes.SHA256())


def is_key_text(text: str) -> bool:
    """True for the text of a key, False for the path of a file."""
    bare = "".join(text.split())
    return "-----BEGIN" in text or (len(bare) > 100 and bare.startswith("MI"))


def _need_implicit_rejection(version: str, found: object) -> None:
    """Refuse a backend on which a wrong padding could be told from its error or its time."""
    number: int = getattr(found, "openssl_version_number", lambda: 0)()
    if version.startswith("OpenSSL ") and number < _IMPLICIT_REJECTION:
        raise ConfigError("cryptography is built with an OpenSSL older than 3.2: update it")


def _weighed(key: K) -> K:
    """The same key, with a warning at the line that brought it if it is weak."""
    if key.bits < _SOUND_BITS:
        warnings.warn(
            f"an RSA key of {key.bits} bits is in use; {_SOUND_BITS} are recommended",
            WeakKeyWarning,
            stacklevel=3,
        )
    return key


def _as_bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _spellings(data: bytes | str) -> list[bytes]:
    """DER readings of the input: as it is, and with PEM armour or bare base64 taken off."""
    raw = _as_bytes(data)
    try:
        return [raw, base64.b64decode(_ARMOUR.sub(b"", raw), validate=True)]
    except (binascii.Error, ValueError):
        return [raw]


def _read_private(data: bytes | str, password: Secret | str | None) -> rsa.RSAPrivateKey | str:
    """The key, or what is wrong with it; raises nothing, for a traceback would show the key."""
    word = password.reveal() if isinstance(password, Secret) else password
    if b"ENCRYPTED" in _as_bytes(data) or word:
        return _encrypted(_as_bytes(data), word.encode() if word else None)
    for attempt in _spellings(data):
        try:
            key = serialization.load_der_private_key(attempt, None)
        except TypeError:  # encrypted, and only binary or bare base64 gets here
            return _LOCKED
        except (ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(key, rsa.RSAPrivateKey):
            return key
    return _UNREADABLE


def _encrypted(raw: bytes, password: bytes | None) -> rsa.RSAPrivateKey | str:
    try:
        if raw.lstrip().startswith(b"-----"):
            key = serialization.load_pem_private_key(raw, password)
        else:
            key = serialization.load_der_private_key(_spellings(raw)[-1], password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return _LOCKED
    return key if isinstance(key, rsa.RSAPrivateKey) else _UNREADABLE

"""RSA keys as opaque handles: read once, checked, never printed. Source: contract 5.

Merchant and platform keys of this API are often 1024 bits long and come as base64 without PEM
armour, sometimes under the wrong PEM label; all of that is read. A key below 2048 bits warns once.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import warnings
from pathlib import Path
from typing import NoReturn, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from fincard_async._sansio.secret import Secret
from fincard_async.errors import ConfigError

_LEAST_BITS = 1024
_SOUND_BITS = 2048
_ARMOUR = re.compile(rb"-----[A-Z ]+-----|\s+")
_UNREADABLE = "the key is not an RSA key in PEM, DER or base64"
_LOCKED = "the key needs a password, or the password is wrong"


class WeakKeyWarning(UserWarning):
    """An RSA key shorter than 2048 bits is in use; the API still issues such keys."""


class _Key:
    """What both kinds of keys refuse: to be printed, copied or pickled."""

    __slots__ = ("_bits",)

    def __init__(self, bits: int) -> None:
        if bits < _LEAST_BITS:
            raise ConfigError(f"an RSA key must have at least {_LEAST_BITS} bits, not {bits}")
        self._bits = bits

    @property
    def bits(self) -> int:
        """Size of the modulus."""
        return self._bits

    @property
    def block_bytes(self) -> int:
        """Bytes of one sealed block."""
        return (self._bits + 7) // 8

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<{self._bits} bits>)"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be copied or pickled")

    __copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = _refuse


K = TypeVar("K", bound=_Key)


class PublicKey(_Key):
    """Seals values for the holder of the private key."""

    __slots__ = ("_key",)

    def __init__(self, key: rsa.RSAPublicKey) -> None:
        super().__init__(key.key_size)
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
        """One block, PKCS#1 v1.5 (contract 5)."""
        return self._key.encrypt(text, padding.PKCS1v15())


class PrivateKey(_Key):
    """Opens values that were sealed for this key."""

    __slots__ = ("_key",)

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        super().__init__(key.key_size)
        self._key = key

    @classmethod
    def parse(cls, data: bytes | str, password: Secret | str | None = None) -> PrivateKey:
        """Read PEM, DER or bare base64 (PKCS#8 or PKCS#1, also under the wrong label).

        Raises:
            ConfigError: It is none of these, not RSA, too short, or the password does not fit.
        """
        key = _read_private(data, password)
        del data, password  # a raised error shows the variables of its frames
        if isinstance(key, str):
            raise ConfigError(key)
        return _weighed(cls(key))

    @classmethod
    def from_file(
        cls, path: str | os.PathLike[str], password: Secret | str | None = None
    ) -> PrivateKey:
        """Read a key file; see ``parse``.

        Raises:
            ConfigError: The file cannot be read, or holds no usable key.
        """
        found = _read_file(path)
        if isinstance(found, str):
            raise ConfigError(found)
        key = _read_private(found, password)
        del found, password
        if isinstance(key, str):
            raise ConfigError(key)
        return _weighed(cls(key))

    @classmethod
    def generate(cls, bits: int = _SOUND_BITS) -> PrivateKey:
        """Make a new key, for tests and the sandbox."""
        return _weighed(cls(rsa.generate_private_key(public_exponent=65537, key_size=bits)))

    def public_key(self) -> PublicKey:
        """The other half."""
        return PublicKey(self._key.public_key())

    def pem(self) -> Secret:
        """The key as PKCS#8 PEM text, without a password."""
        text = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return Secret(text.decode("ascii"))

    def decrypt(self, block: bytes) -> bytes:
        """One block, PKCS#1 v1.5. A wrong key gives random bytes, not an error: check the shape."""
        return self._key.decrypt(block, padding.PKCS1v15())


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


def _read_file(path: str | os.PathLike[str]) -> bytes | str:
    """What the file holds, or why it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        return f"the key file cannot be read: {error.strerror}"


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

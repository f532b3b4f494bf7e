"""Keys in all the forms in which they come."""

from __future__ import annotations

import base64
import copy
import pickle
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fincard_async._crypto.keys import PrivateKey, PublicKey, WeakKeyWarning
from fincard_async._sansio.secret import Secret
from fincard_async.errors import ConfigError
from tests.thinning import thin

from .known import EC_KEY, KEY, SHORT_KEY

PASSWORD = "correct horse"
PKCS8 = base64.b64decode(KEY)
LOADED = serialization.load_der_private_key(PKCS8, None)
assert isinstance(LOADED, rsa.RSAPrivateKey)

_PEM, _DER = serialization.Encoding.PEM, serialization.Encoding.DER
_NEW = serialization.PrivateFormat.PKCS8
_OLD = serialization.PrivateFormat.TraditionalOpenSSL


def _private(
    encoding: serialization.Encoding, form: serialization.PrivateFormat, locked: bool = False
) -> bytes:
    assert isinstance(LOADED, rsa.RSAPrivateKey)
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if locked:
        lock = serialization.BestAvailableEncryption(PASSWORD.encode())
    return LOADED.private_bytes(encoding, form, lock)


def _armour(label: str, der: bytes) -> bytes:
    text = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n".encode()


PKCS1 = _private(_DER, _OLD)
PRIVATE: dict[str, bytes | str] = {
    "PEM PKCS#8": _private(_PEM, _NEW),
    "PEM PKCS#8 as text": _private(_PEM, _NEW).decode(),
    "PEM PKCS#1": _private(_PEM, _OLD),
    "DER PKCS#8": PKCS8,
    "DER PKCS#1": PKCS1,
    "base64 PKCS#8": KEY,
    "base64 PKCS#8 as bytes": KEY.encode(),
    "base64 PKCS#1": base64.b64encode(PKCS1),
    "base64 in lines": "\r\n".join(textwrap.wrap(KEY, 76)) + "\r\n",
    "PKCS#8 under the label of PKCS#1": _armour("RSA PRIVATE KEY", PKCS8),
    "PKCS#1 under the label of PKCS#8": _armour("PRIVATE KEY", PKCS1),
    "PEM with Windows lines": _private(_PEM, _NEW).replace(b"\n", b"\r\n"),
    "PEM with blanks around": b"\n  " + _private(_PEM, _NEW) + b"\n\n",
}
LOCKED: dict[str, bytes] = {
    "PEM PKCS#8": _private(_PEM, _NEW, locked=True),
    "PEM PKCS#1": _private(_PEM, _OLD, locked=True),
    "DER PKCS#8": _private(_DER, _NEW, locked=True),
    "base64 PKCS#8": base64.b64encode(_private(_DER, _NEW, locked=True)),
}
_public = LOADED.public_key()
SPKI = _public.public_bytes(_DER, serialization.PublicFormat.SubjectPublicKeyInfo)
OLD_PUBLIC = _public.public_bytes(_DER, serialization.PublicFormat.PKCS1)
PUBLIC: dict[str, bytes | str] = {
    "PEM": _armour("PUBLIC KEY", SPKI),
    "PEM PKCS#1": _armour("RSA PUBLIC KEY", OLD_PUBLIC),
    "DER": SPKI,
    "base64": base64.b64encode(SPKI).decode(),
    "mislabelled": _armour("RSA PUBLIC KEY", SPKI),
}
EC_PUBLIC = (
    serialization.load_der_private_key(base64.b64decode(EC_KEY), None)
    .public_key()
    .public_bytes(_DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)
GARBAGE: dict[str, bytes | str] = {
    "nothing": b"",
    "words": "not a key",
    "base64 of words": base64.b64encode(b"not a key"),
    "not text": b"\xff\xfe\x00",
    "not ASCII": "schl\u00fcssel",
    "empty armour": b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
    "cut off": PKCS8[:-10],
    "the public half of an EC key": EC_PUBLIC,
    "an EC key": EC_KEY,
    "an EC key in PEM": _armour("EC PRIVATE KEY", base64.b64decode(EC_KEY)),
}


@pytest.mark.parametrize("form", thin(PRIVATE, 3))
def test_a_private_key_is_read_in_every_form(form: str, key: PrivateKey) -> None:
    """Armour, label and line breaks do not matter."""
    assert PrivateKey.parse(PRIVATE[form]).pem() == key.pem()


@pytest.mark.parametrize("form", LOCKED)
@pytest.mark.parametrize("password", [PASSWORD, Secret(PASSWORD)])
def test_a_locked_key_opens_with_its_password(
    form: str, password: Secret | str, key: PrivateKey
) -> None:
    """The password may be plain text or a secret."""
    assert PrivateKey.parse(LOCKED[form], password).pem() == key.pem()


@pytest.mark.parametrize("form", LOCKED)
@pytest.mark.parametrize("password", [None, "", "wrong", Secret("wrong")])
def test_a_locked_key_without_its_password(form: str, password: Secret | str | None) -> None:
    """No password, an empty one and a wrong one are the same error."""
    with pytest.raises(ConfigError, match=r"^the key needs a password, or the password is wrong"):
        PrivateKey.parse(LOCKED[form], password)


@pytest.mark.parametrize("form", PRIVATE)
def test_a_password_for_an_open_key_is_a_mistake(form: str) -> None:
    """Somebody believes that the file is protected, and it is not."""
    with pytest.raises(ConfigError):
        PrivateKey.parse(PRIVATE[form], PASSWORD)


@pytest.mark.parametrize("form", PUBLIC)
def test_a_public_key_is_read_in_every_form(form: str, key: PrivateKey) -> None:
    """The same forms hold for the other half."""
    assert PublicKey.parse(PUBLIC[form]).pem() == key.public_key().pem()


@pytest.mark.parametrize("kind", [PrivateKey, PublicKey])
@pytest.mark.parametrize("form", GARBAGE)
def test_what_is_no_rsa_key_is_refused(kind: type[PrivateKey | PublicKey], form: str) -> None:
    """One message for everything, and it quotes nothing."""
    with pytest.raises(ConfigError, match=r"^the key is not an RSA key in PEM, DER or base64"):
        kind.parse(GARBAGE[form])


def test_the_halves_are_not_taken_for_each_other() -> None:
    """A public key is no private key, nor the other way round."""
    with pytest.raises(ConfigError):
        PrivateKey.parse(SPKI)
    with pytest.raises(ConfigError):
        PublicKey.parse(PKCS8)


def test_an_ec_key_with_a_password_is_refused() -> None:
    """The way of locked keys checks the kind of key too."""
    ec = serialization.load_der_private_key(base64.b64decode(EC_KEY), None)
    lock = serialization.BestAvailableEncryption(PASSWORD.encode())
    with pytest.raises(ConfigError, match="not an RSA key"):
        PrivateKey.parse(ec.private_bytes(_PEM, _NEW, lock), PASSWORD)


def test_a_short_key_is_refused() -> None:
    """512 bits are broken within hours."""
    with pytest.raises(ConfigError, match="at least 1024 bits, not 512"):
        PrivateKey.parse(SHORT_KEY)


def test_a_weak_key_warns_once() -> None:
    """The API issues 1024-bit keys, so they work; the warning points at the caller's line."""
    pem = rsa.generate_private_key(65537, 1024).private_bytes(
        _PEM, _NEW, serialization.NoEncryption()
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        key, *_ = [PrivateKey.parse(pem) for _ in range(3)]
    assert [warning.category for warning in caught] == [WeakKeyWarning]
    assert caught[0].filename == __file__
    assert "1024 bits" in str(caught[0].message)
    assert key.bits == 1024
    assert key.public_key().bits == 1024  # the other half is no second warning


def test_a_sound_key_does_not_warn(key: PrivateKey) -> None:
    """Warnings are errors here, so reading it is the proof."""
    assert PrivateKey.parse(KEY).bits == key.public_key().bits == 2048
    assert key.block_bytes == 256


def test_a_key_from_a_file(tmp_path: Path, key: PrivateKey) -> None:
    """A file holds any form; one that cannot be read is a setting that is wrong."""
    path = tmp_path / "merchant.pem"
    path.write_bytes(LOCKED["PEM PKCS#8"])
    path.chmod(0o600)
    assert PrivateKey.from_file(path, PASSWORD).pem() == key.pem()
    for missing in (tmp_path / "absent.pem", tmp_path):
        with pytest.raises(ConfigError, match="the key file cannot be read"):
            PrivateKey.from_file(str(missing))


@pytest.mark.parametrize("way_out", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_key_cannot_be_copied(way_out: Callable[[Any], object], key: PrivateKey) -> None:
    """A key stays where it was read."""
    for half in (key, key.public_key()):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            way_out(half)


def test_a_key_shows_only_its_size(key: PrivateKey) -> None:
    """Neither repr nor the type of ``pem()`` shows key bytes."""
    assert repr(key) == "PrivateKey(<2048 bits>)"
    assert repr(key.public_key()) == "PublicKey(<2048 bits>)"
    assert isinstance(key.pem(), Secret)

"""Nothing is believed that the platform did not sign: keys, algorithms, encodings, headers."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from fincard_async._sansio.webhook import MAX_EVENT_BYTES
from fincard_async.errors import ArgumentTypeError, ConfigError, WebhookRefused
from fincard_async.keys import PrivateKey, WeakKeyWarning
from fincard_async.testing import platform_key, sign_webhook
from fincard_async.webhooks import TimedKey, WebhookVerifier

from .kit import OPERATION, Clock, sample, verifier

HEADER, OTHER_HEADER = "X-FC-SIGNATURE", "X-WSB-SIGNATURE"
BODY = json.dumps(sample(OPERATION), indent=1).encode().ljust(1024)
VERIFIER = verifier()
KEY = platform_key()
RAW = KEY._key
N, D, E = (
    RAW.private_numbers().public_numbers.n,
    RAW.private_numbers().d,
    RAW.private_numbers().public_numbers.e,
)
GOOD = KEY.sign(BODY)
STRANGER = rsa.generate_private_key(65537, 2048)
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
V15 = padding.PKCS1v15()


def b64(raw: bytes) -> str:
    """As it stands in a header."""
    return base64.b64encode(raw).decode()


def power(block: bytes) -> bytes:
    """A block as a signature: what only the holder of the key can make, in any form."""
    return pow(int.from_bytes(block, "big"), D, N).to_bytes(256, "big")


def block(info: bytes, digest: bytes, fill: int = 0xFF, tail: bytes = b"") -> bytes:
    """A padded block of 256 bytes."""
    end = b"\x00" + info + digest + tail
    return b"\x00\x01" + bytes([fill]) * (254 - len(end)) + end


DIGEST = hashlib.sha256(BODY).digest()
BAD: Mapping[str, Callable[[], str]] = {
    # the wrong key
    "another key": lambda: b64(STRANGER.sign(BODY, V15, hashes.SHA256())),
    "another key of 3072 bits": lambda: b64(
        rsa.generate_private_key(65537, 3072).sign(BODY, V15, hashes.SHA256())
    ),
    "an EC key": lambda: b64(
        ec.generate_private_key(ec.SECP256R1()).sign(BODY, ec.ECDSA(hashes.SHA256()))
    ),
    "an Ed25519 key": lambda: b64(ed25519.Ed25519PrivateKey.generate().sign(BODY)),
    "an HMAC with the public key": lambda: b64(
        hashlib.sha256(KEY.public_key().pem().encode() + BODY).digest()
    ),
    # the wrong hash or padding, with the right key
    "SHA-1": lambda: b64(RAW.sign(BODY, V15, hashes.SHA1())),
    "SHA-224": lambda: b64(RAW.sign(BODY, V15, hashes.SHA224())),
    "SHA-384": lambda: b64(RAW.sign(BODY, V15, hashes.SHA384())),
    "SHA-512": lambda: b64(RAW.sign(BODY, V15, hashes.SHA512())),
    "MD5": lambda: b64(RAW.sign(BODY, V15, hashes.MD5())),
    "PSS": lambda: b64(
        RAW.sign(BODY, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    ),
    "PSS without salt": lambda: b64(
        RAW.sign(BODY, padding.PSS(padding.MGF1(hashes.SHA256()), 0), hashes.SHA256())
    ),
    "the hash of the hash": lambda: b64(RAW.sign(DIGEST, V15, hashes.SHA256())),
    "the hash under the name of SHA-1": lambda: b64(
        RAW.sign(DIGEST[:20], V15, utils.Prehashed(hashes.SHA1()))
    ),
    "no padding": lambda: b64(power(DIGEST.rjust(256, b"\x00"))),
    "padding of encryption": lambda: b64(
        power(b"\x00\x02" + b"\x07" * (254 - 1 - 51) + b"\x00" + SHA256_INFO + DIGEST)
    ),
    "padding with another fill": lambda: b64(power(block(SHA256_INFO, DIGEST, fill=0xFE))),
    "no name of the hash": lambda: b64(power(block(b"", DIGEST))),
    "a name without its null": lambda: b64(
        power(block(bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20", DIGEST))
    ),
    "the name of another hash": lambda: b64(
        power(block(bytes.fromhex("3031300d060960864801650304020205000420"), DIGEST))
    ),
    "bytes after the hash": lambda: b64(power(block(SHA256_INFO, DIGEST, tail=b"\x00" * 4))),
    "a short padding and bytes after the hash": lambda: b64(
        power((b"\x00\x01" + b"\xff" * 8 + b"\x00" + SHA256_INFO + DIGEST).ljust(256, b"\x99"))
    ),
    # the wrong content
    "another body": lambda: b64(KEY.sign(BODY + b" ")),
    "the same JSON written again": lambda: b64(KEY.sign(json.dumps(json.loads(BODY)).encode())),
    "an empty body": lambda: b64(KEY.sign(b"")),
    "the literal {}": lambda: b64(KEY.sign(b"{}")),
    # the wrong number
    "zero": lambda: b64(bytes(256)),
    "one": lambda: b64(b"\x00" * 255 + b"\x01"),
    "all ones": lambda: b64(b"\xff" * 256),
    "the modulus": lambda: b64(N.to_bytes(256, "big")),
    "the modulus less one": lambda: b64((N - 1).to_bytes(256, "big")),
    "the negative": lambda: b64((N - int.from_bytes(GOOD, "big")).to_bytes(256, "big")),
    "the same number and the modulus": lambda: b64(
        (int.from_bytes(GOOD, "big") + N).to_bytes(257, "big")
    ),
    "raised by the public exponent": lambda: b64(
        pow(int.from_bytes(GOOD, "big"), E, N).to_bytes(256, "big")
    ),
    "reversed": lambda: b64(GOOD[::-1]),
    # the wrong length
    "nothing": lambda: "",
    "one byte": lambda: b64(b"\x00"),
    "a byte short": lambda: b64(GOOD[:-1]),
    "a byte short in front": lambda: b64(GOOD[1:]),
    "a byte more": lambda: b64(GOOD + b"\x00"),
    "a zero in front": lambda: b64(b"\x00" + GOOD),
    "twice": lambda: b64(GOOD + GOOD),
    # the wrong encoding
    "hex": GOOD.hex,
    "base64 of base64": lambda: b64(b64(GOOD).encode()),
    "base64 for URLs": lambda: (
        b64(GOOD).replace("+", "-").replace("/", "_") if set("+/") & set(b64(GOOD)) else "-"
    ),
    "no equals signs": lambda: b64(GOOD).rstrip("="),
    "too many equals signs": lambda: b64(GOOD) + "=",
    "equals signs in between": lambda: b64(GOOD[:127]) + b64(GOOD[127:]),
    "spare bits": lambda: (
        b64(GOOD)[:-3]
        + chr(ord(b64(GOOD)[-3]) + (1 if b64(GOOD)[-3] not in "Zz9+/" else -1))
        + "=="
    ),
    "a space in front": lambda: " " + b64(GOOD),
    "a space behind": lambda: b64(GOOD) + " ",
    "a line break": lambda: b64(GOOD)[:76] + "\n" + b64(GOOD)[76:],
    "a line break behind": lambda: b64(GOOD) + "\n",
    "a zero byte": lambda: b64(GOOD) + "\x00",
    "percent signs": lambda: b64(GOOD).replace("=", "%3D"),
    "quotes": lambda: f'"{b64(GOOD)}"',
    "a name of the algorithm": lambda: "sha256=" + b64(GOOD),
    "a list": lambda: f"{b64(GOOD)},{b64(GOOD)}",
    "full-width letters": lambda: "".join(chr(ord(c) + 0xFEE0) for c in b64(GOOD)),
    "another script": lambda: b64(GOOD)[:-4] + "\u0661\u0662==",
    # words
    "none": lambda: "none",
    "null": lambda: "null",
    "true": lambda: "true",
    "the dummy of the mock": lambda: "dummy-signature",
}


@cache
def signature(name: str) -> str:
    """A row of the table; made once, because making keys is slow."""
    return BAD[name]()


def test_the_table_is_long_enough() -> None:
    """At least 40 ways to be wrong."""
    assert len(BAD) >= 40
    assert b64(GOOD) not in map(signature, BAD)


@pytest.mark.parametrize("header", [HEADER, OTHER_HEADER])
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_signature_is_refused(bad: str, header: str) -> None:
    """Whatever is wrong with it, the error is the same."""
    with pytest.raises(WebhookRefused, match=r"^the webhook is not signed by the platform$") as e:
        VERIFIER.verify({header: signature(bad)}, BODY)
    assert e.value.__context__ is None


def test_every_flipped_bit_is_noticed() -> None:
    """None of the 8,192 neighbours of an event of 1 kB is accepted."""
    headers = {HEADER: b64(GOOD)}
    assert len(BODY) == 1024
    assert VERIFIER.verify(headers, BODY).category == OPERATION
    accepted = 0
    for bit in range(len(BODY) * 8):
        body = bytearray(BODY)
        body[bit // 8] ^= 1 << bit % 8
        try:
            VERIFIER.verify(headers, bytes(body))
        except WebhookRefused:
            continue
        accepted += 1
    assert accepted == 0


@pytest.mark.parametrize("body", ["{}", {}, [], None, 1, sample(OPERATION)])
def test_only_bytes_can_be_verified(body: Any) -> None:
    """Text and objects are refused, and the message says why."""
    with pytest.raises(ArgumentTypeError, match="the signature is over the bytes"):
        VERIFIER.verify({HEADER: b64(GOOD)}, body)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_bytes_will_do(kind: Callable[[bytes], bytes]) -> None:
    """What frameworks hand over as a raw body."""
    assert VERIFIER.verify({HEADER: b64(GOOD)}, kind(BODY)).raw == BODY


@pytest.mark.parametrize(
    "name", ["X-FC-SIGNATURE", "x-fc-signature", "X-Wsb-Signature", "x-WSB-SIGNATURE"]
)
def test_either_header_in_any_case(name: str) -> None:
    """As a mapping, as pairs of text, as the pairs of bytes that ASGI has."""
    text = b64(GOOD)
    for headers in ({name: text}, [(name, text)], [(name.encode(), text.encode())]):
        assert VERIFIER.verify(headers, BODY).category == OPERATION


def test_two_headers() -> None:
    """One good signature is enough; one header with two values is ambiguous and counts for none."""
    bad = signature("another key")
    VERIFIER.verify({HEADER: bad, OTHER_HEADER: b64(GOOD)}, BODY)
    VERIFIER.verify([(HEADER, b64(GOOD)), (HEADER.lower(), b64(GOOD))], BODY)
    for pairs in (
        [(HEADER, bad), (HEADER, b64(GOOD))],
        [(HEADER, b64(GOOD)), ("x-fc-signature", bad)],
    ):
        with pytest.raises(WebhookRefused):
            VERIFIER.verify(pairs, BODY)


@pytest.mark.parametrize("headers", [{}, {"X-SIGNATURE": "x"}, {"Authorization": "x"}])
def test_no_signature_is_refused(headers: dict[str, str]) -> None:
    """Also if another header holds a good one."""
    with pytest.raises(WebhookRefused):
        VERIFIER.verify({**headers, "X-FC-SIGNATURE2": b64(GOOD)}, BODY)


def test_a_long_body_is_refused_before_it_is_verified() -> None:
    """64 KiB are enough for every event; a good signature does not help."""
    for extra, good in ((0, True), (1, False)):
        body = b'{"x":"' + b"y" * (MAX_EVENT_BYTES - 8 + extra) + b'"}'
        assert len(body) == MAX_EVENT_BYTES + extra
        headers, _ = sign_webhook(body)
        if good:
            assert VERIFIER.verify(headers, body).category is None
        else:
            with pytest.raises(WebhookRefused):
                VERIFIER.verify(headers, body)


def test_the_signature_comes_before_the_content() -> None:
    """A body that cannot be read is refused as unsigned, and nobody learns that it is no JSON."""
    for body in (b"", b"{", b"[" * 60_000, b'{"a":1,"a":2}'):
        with pytest.raises(WebhookRefused):
            VERIFIER.verify({HEADER: b64(GOOD)}, body)


def test_keys_rotate() -> None:
    """Old and new key are accepted side by side, the old one up to its end."""
    clock, new = Clock(), PrivateKey.generate()
    until = clock.now + 3600
    both = WebhookVerifier(
        [TimedKey(KEY.public_key(), not_after=until), new.public_key().pem()], clock=clock
    )
    for key in (KEY, new):
        both.verify(*sign_webhook(BODY, key=key))
    clock.now = until
    both.verify(*sign_webhook(BODY, key=KEY))
    clock.now = until + 1
    both.verify(*sign_webhook(BODY, key=new))
    with pytest.raises(WebhookRefused):
        both.verify(*sign_webhook(BODY, key=KEY))
    assert repr(both) == "WebhookVerifier(<2 keys>)"


def test_a_key_of_1024_bits_works_and_warns() -> None:
    """The platform's own key is so short in production."""
    with pytest.warns(WeakKeyWarning):
        short = PrivateKey.generate(1024)
    weak = WebhookVerifier(short.public_key())
    with pytest.warns(WeakKeyWarning, match="1024 bits") as caught:
        WebhookVerifier(short.public_key().pem())
    assert len(caught) == 1
    assert weak.verify(*sign_webhook(BODY, key=short)).category == OPERATION
    with pytest.raises(WebhookRefused):
        weak.verify({HEADER: b64(GOOD)}, BODY)


@pytest.mark.parametrize("keys", [[], (), "", "no key", [b""], [b"\x00"]])
def test_without_a_key_nothing_is_accepted(keys: Any) -> None:
    """Not at the first delivery, but when the verifier is made."""
    with pytest.raises(ConfigError):
        WebhookVerifier(keys)


def test_the_key_of_the_environment(tmp_path: Path) -> None:
    """The variable holds the key or names files."""
    path = tmp_path / "platform.pem"
    path.write_text(KEY.public_key().pem())
    for text in (str(path), KEY.public_key().pem()):
        made = WebhookVerifier.from_env("K", {"K": text})
        assert made.verify({HEADER: b64(GOOD)}, BODY).category == OPERATION
    with pytest.raises(ConfigError, match="K is not set"):
        WebhookVerifier.from_env("K", {})


def test_the_openssl_command_means_the_same() -> None:
    """A signature is plain RSASSA-PKCS1-v1_5: the block inside it is the one of RFC 8017."""
    opened = pow(int.from_bytes(GOOD, "big"), E, N).to_bytes(256, "big")
    assert opened == block(SHA256_INFO, DIGEST)
    assert isinstance(
        serialization.load_pem_public_key(KEY.public_key().pem().encode()), rsa.RSAPublicKey
    )

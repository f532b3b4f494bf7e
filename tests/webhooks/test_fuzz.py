"""Random bodies and headers raise only our errors. ``FINCARD_FUZZ=100000`` plays more of them."""

from __future__ import annotations

import json
import os
import random

import pytest

from fincard_async.errors import WebhookError, WebhookRefused
from fincard_async.testing import sign_webhook
from fincard_async.webhooks import KINDS, Event

from .kit import samples, verifier

CASES = int(os.environ.get("FINCARD_FUZZ", "3000"))
BODIES = [json.dumps(s.body).encode() for s in samples()]
PIECES = [
    b"null", b"true", b"{}", b"[]", b'""', b"-1", b"1e400", b"0.1", b"NaN", b"9" * 400, b"[" * 70,
    b'"\\ud800"', b'"\\u0000"', b"\xff\xfe", b"\xef\xbb\xbf", b'{"a":1,"a":2}', b',"x":1', b"\x00",
    b'"data":{}', b'"eventType":"x"', b'"status":"success"', b'"amount":"1_000"',
]  # fmt: skip
NAMES = ["X-FC-SIGNATURE", "x-wsb-signature", "X-WSB-CATEGORY", "X-WSB-REQUEST-ID", "Host", ""]


def mutated(source: random.Random) -> bytes:
    """An example with some bytes exchanged, removed, repeated or replaced by a piece."""
    body = bytearray(source.choice(BODIES))
    for _ in range(source.randint(0, 4)):
        at, to = sorted(source.randrange(len(body) + 1) for _ in range(2))
        match source.randrange(5):
            case 0:
                body[at : at + 1] = bytes([source.randrange(256)])
            case 1:
                del body[at : min(to, at + 40)]
            case 2:
                body[at:at] = body[at:to]
            case 3:
                body[at:at] = source.choice(PIECES)
            case _:
                colon = body.find(b":", at) + 1
                body[colon : body.find(b",", colon)] = source.choice(PIECES)
        body = body[:70_000] or bytearray(b"{}")
    return bytes(body)


def junk(source: random.Random) -> str:
    """A header's value."""
    kind = source.randrange(4)
    if kind == 0:
        return source.choice([*KINDS, "", "x", "sha256", "none"])
    letters = source.choice(["=+/AZaz09", "".join(map(chr, range(1, 300))), "\ud800\x00\r\n"])
    return "".join(source.choice(letters) for _ in range(source.randrange(400)))


@pytest.mark.slow
def test_signed_bodies_of_any_kind() -> None:
    """A signed body becomes an event or one of our errors, whatever is in it."""
    source, check, outcomes = random.Random(8), verifier(), {"event": 0, "error": 0}
    for _ in range(CASES):
        named = source.choice([None, None, *KINDS])
        headers, body = sign_webhook(mutated(source), category=named)
        try:
            event = check.verify(headers, body)
        except WebhookError:
            outcomes["error"] += 1
        else:
            assert isinstance(event, Event)
            assert isinstance(repr(event) + (event.subject or ""), str)
            outcomes["event"] += 1
    assert min(outcomes.values()) > CASES / 20


@pytest.mark.slow
def test_headers_of_any_kind() -> None:
    """Without a good signature there is one error."""
    source, check = random.Random(9), verifier()
    for _ in range(CASES):
        pairs = [(source.choice(NAMES), junk(source)) for _ in range(source.randrange(5))]
        with pytest.raises(WebhookRefused):
            check.verify(pairs, mutated(source))

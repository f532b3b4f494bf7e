"""Whatever comes over the wire, only this package's own errors come out of the rules.

``FINCARD_FUZZ=300000`` changes that many replies; ``FINCARD_FUZZ_SEED=7`` others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections import Counter
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from fincard_async._generated.operations import load
from fincard_async._generated.wire import REFUSALS
from fincard_async._runtime.credentials import token_in
from fincard_async._sansio.base_url import parse_origin
from fincard_async._sansio.headers import check_value, is_token
from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.money import parse_amount
from fincard_async._sansio.responses import interpret, scrub
from fincard_async._sansio.retry_after import MOST, read_retry_after
from fincard_async._sansio.sizes import MAX_BODY_BYTES
from fincard_async._sansio.token import jwt_expiry, make_token
from fincard_async.errors import ConfigError, FincardError

pytestmark = pytest.mark.faults

COUNT = int(os.environ.get("FINCARD_FUZZ", "60000"))
SEED = os.environ.get("FINCARD_FUZZ_SEED", "1")
BLOCKS = 4

ODD = (
    b"null", b"true", b"-1", b"0", b"1e999999", b"1E+999999", b"NaN", b"-Infinity", b"1_000",
    b'"NaN"', b'"1e400"', b'"\xd9\xa1\xd9\xa2"', b'" 1 "', b"9" * 400, b"0." + b"1" * 400,
    b'"\\ud800"', b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"{}", b"[]", b"[[[[", b'{"a":{"a":',
    b'"' + b"x" * 70_000 + b'"', b'"merchantOrderNo":"X",', b'"\\u0000"', b"9223372036854775808",
)  # fmt: skip


def change(body: bytes, random: Random) -> bytes:
    """A reply with one to three things wrong with it."""
    for _ in range(random.randint(1, 3)):
        at, to = sorted((random.randrange(len(body) + 1), random.randrange(len(body) + 1)))
        match random.randrange(7):
            case 0:
                body = body[:at]
            case 1:
                body = body[:at] + random.choice(ODD) + body[at:]
            case 2:
                body = body[:at] + random.choice(ODD) + body[to:]
            case 3:
                body = body[:at] + body[at : at + 40] + body[at:]
            case 4:
                body = body[:at] + bytes([random.randrange(256)]) + body[at + 1 :]
            case 5:
                values = body.split(b":")
                which = random.randrange(len(values))
                values[which] = random.choice(ODD) + values[which][-1:]
                body = b":".join(values)
            case _:
                body = body[:at] + body[to:]
    return body


@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_reply_of_any_kind(block: int, record_property: Any) -> None:
    """A changed reply is a result or an error of ours, and a result has exact amounts only."""
    random = Random(f"{SEED} {block}")
    samples = _samples()
    ends: Counter[str] = Counter()
    foreign = 0
    for _ in range(COUNT // BLOCKS):
        operation, request, body = random.choice(samples)
        changed = change(body, random)
        status = random.choice((200, 200, 200, 201, 204, 302, 400, 401, 404, 429, 500, 503))
        try:
            interpret(operation, request, HttpResponse(status, {}, changed), REFUSALS, "Bearer x")
        except FincardError as error:
            foreign += error.__context__ is not None or not str(error).isprintable()
            ends[type(error).__name__] += 1
        else:
            ends["result"] += 1
    record_property("ends", dict(ends))
    assert foreign == 0
    # Replies that nobody could read, and replies that still were good: both must have been met.
    assert {"result", "NotAnEnvelope", "DecodeError"} <= ends.keys()


def _samples() -> list[tuple[Any, Any, bytes]]:
    """Every example of a reply in the schema, with a request that it may answer."""
    pytest.importorskip("ruamel.yaml")
    from tests.schema_examples import examples

    samples: list[tuple[Any, Any, bytes]] = []
    for example in examples():
        operation = load(example.operation)
        request = operation.input_decoder.decode(json.dumps(example.request))
        samples.append((operation, request, json.dumps(example.answer).encode()))
    assert len(samples) > 20
    return samples


ALPHABET = (
    "0123456789.-+eE_ ,:;/\\@[]%#?&=abcxyzGMT\t\r\n\x00\x7f\u00e9\u0661\u2028\ud800\U0001f600"
)


def _text(random: Random, seeds: tuple[str, ...]) -> str:
    text = list(random.choice(seeds))
    for _ in range(random.randint(0, 4)):
        text.insert(random.randint(0, len(text)), random.choice(ALPHABET))
    if text and random.random() < 0.3:
        del text[random.randrange(len(text))]
    return "".join(text)


def test_headers_origins_amounts_and_tokens_of_any_kind() -> None:
    """Each reader of text gives a value that keeps its promise, or its one error."""
    random = Random(f"{SEED} text")
    dates = (
        "Thu, 01 Jan 2026 00:01:00 GMT",
        "Thursday, 01-Jan-26 00:01:00 GMT",
        "Thu Jan  1 00:01:00 2026",
    )
    origins = ("https://sandbox.example", "http://127.0.0.1:8080", "https://[::1]:1", "https://a@b")
    for _ in range(COUNT // 6):
        hint = read_retry_after(_text(random, ("5", "1, 2", *dates)), _text(random, dates), 1e9)
        assert hint is None or 0 <= hint <= MOST
        _origin(_text(random, origins))
        text = _text(random, ("12.50", "-1", "0.1"))
        try:
            amount = parse_amount(text)
        except ValueError:
            pass
        else:
            assert amount.is_finite()
            assert (amount, text.isascii()) == (Decimal(text), True)
        value = _text(random, ("device-1", "web"))
        assert _passes(value) <= (value.isascii() and value.isprintable())
        token = _text(random, ("a.eyJleHAiOjE3Njd9.c", "a.W1tb.c", "x"))
        jwt_expiry(token)
        if is_token(token):
            assert make_token(token, random.choice((None, -1.0, 1e300)), 1e9).refresh_at > 0
        assert scrub(text + value + token).isprintable()


def _passes(value: str) -> bool:
    try:
        check_value("device_id", value)
    except ConfigError:
        return False
    return True


def _origin(text: str) -> None:
    try:
        origin = parse_origin(text)
    except ConfigError:
        return
    assert origin.startswith("https://") or origin.split("//")[1].startswith(
        ("127.", "[::1]", "localhost")
    )
    assert not set(origin) & set("@?#\\ ")


DEEP = """
import sys, threading
from fincard_async._generated.operations import load
from fincard_async._generated.wire import REFUSALS
from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.responses import interpret
from fincard_async._sansio.token import jwt_expiry
from fincard_async.errors import FincardError
import base64

def bodies():
    for n in (65, 1000, 200_000):
        yield b"[" * n
        yield b'{"a":' * n
        yield b"[" * n + b"]" * n
        yield b'{"success":true,"data":' + b'[{"x":' * n
        yield b'{"success":true,"data":' + b"[" * n + b"]" * n + b"}"
        yield b'{"success":true,"data":{"records":' + b'["' * n + b"}"
        yield b'{"data":"\\\\"' + b"[" * n

refused = 0
def work():
    global refused
    for name in ("cards.get", "cards.open", "cards.list_types", "transactions.operations",
                 "auth.create_session"):
        operation = load(name)
        for status in (200, 500):
            for body in bodies():
                try:
                    interpret(operation, operation.input, HttpResponse(status, {}, body), REFUSALS)
                except FincardError:
                    refused += 1
    for n in (100, 100_000):
        jwt_expiry("a." + base64.urlsafe_b64encode(b"[" * n).decode() + ".c")

threading.stack_size(128 * 1024)
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(refused)
"""


def test_deep_nesting_does_not_kill_a_small_thread() -> None:
    """200,000 levels in a thread with a stack of 128 KiB: refused, and the process goes on."""
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(DEEP)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert int(run.stdout) == 5 * 2 * 3 * 7


BOMBS: dict[str, bytes] = {
    "200,000 levels": b"[" * 200_000,
    "8 MiB of brackets": b"[" * MAX_BODY_BYTES,
    "8 MiB of pairs": b"[]" * (MAX_BODY_BYTES // 2),
    "8 MiB of quotes": b'["' * (MAX_BODY_BYTES // 2),
    "8 MiB of backslashes": b'{"a":"' + b"\\" * MAX_BODY_BYTES,
    "a number of a million digits": b'{"success":true,"data":{"amount":' + b"9" * 10**6 + b"}}",
    "a fraction of a million digits": b'{"success":true,"data":{"amount":0.' + b"9" * 10**6 + b"}}",
    "an amount of a million digits": b'{"success":true,"data":{"amount":"' + b"9" * 10**6 + b'"}}',
    "an exponent": b'{"success":true,"data":{"amount":1E+999999}}',
    "a code of a million digits": b'{"success":false,"code":"' + b"9" * 10**6 + b'"}',
    "a message of 8 MiB": b'{"success":false,"code":1,"msg":"' + b"9 -" * (2 << 20) + b'"}',
    "a million keys": b'{"success":true,"data":{' + b'"a":1,' * 10**6 + b'"a":1}}',
}


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("name", ["cards.get_balance", "cards.deposit"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb(bomb: str, name: str, status: int) -> None:
    """It costs little time and little memory beside itself, and ends in one of our errors."""
    operation = load(name)
    response = HttpResponse(status, {}, BOMBS[bomb])
    began = time.process_time()
    with pytest.raises(FincardError):
        interpret(operation, operation.input, response, REFUSALS)  # type: ignore[arg-type]  # only its fields are read
    assert time.process_time() - began < 2.0


def test_memory_stays_flat() -> None:
    """What was met is forgotten: unknown values of enumerations, compiled patterns, errors."""
    operation = load("cards.get")
    request = operation.input_decoder.decode(b'{"cardNo":"C1"}')

    def meet(first: int, count: int) -> None:
        for number in range(first, first + count):
            body = f'{{"success":true,"data":{{"cardNo":"C1","status":"S{number}"}}}}'.encode()
            try:
                interpret(operation, request, HttpResponse(200, {}, body), REFUSALS)
            except FincardError:
                continue

    meet(0, 2_000)
    tracemalloc.start()
    meet(2_000, 5_000)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 512 * 1024


def test_a_login_of_any_kind() -> None:
    """A changed login reply gives a token that may be sent, or none, or an error of ours."""
    operation = load("auth.create_session")
    random = Random(f"{SEED} login")
    body = b'{"token":"abc.def.ghi","expiresIn":3600,"data":{"accessToken":"t","expiresIn":"60"}}'
    for _ in range(COUNT // 10):
        response = HttpResponse(200, {}, change(body, random))
        try:
            reply: Any = interpret(operation, operation.input, response, REFUSALS)  # type: ignore[arg-type]  # only its fields are read
        except FincardError:
            continue
        found = token_in(reply)
        if found is not None and is_token(found[0].reveal()):
            make_token(found[0].reveal(), found[1], 1e9)

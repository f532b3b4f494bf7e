"""Bodies that are no answer, and some that are one in spite of their looks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from fincard_async.errors import DecodeError, NotAnEnvelope, ResponseTooLarge

from .calls import CALLS, MUTATIONS, SENSITIVE
from .rows import RESULT, Errors, Row, again, fine, means, once
from .server import Spoil
from .spoils import Change, answers, envelope, sends
from .verdicts import Kind

NESTED: Final = b"[" * 200_000 + b"]" * 200_000


def _reads_on(name: str, spoil: Spoil, errors: Errors = DecodeError) -> Row:
    """A read takes it as it is; nothing about money is believed from it."""
    return Row(name, spoil, RESULT, means(Kind.ONCE, errors), wired=False)


def _twice(honest: bytes) -> bytes:
    """``data`` names its first member twice, with another value the second time."""
    head, mark, rest = honest.rpartition(b"}}")
    member = json.loads(honest)["data"]
    name = next(iter(member))
    return b"%b,%b:%b%b%b" % (
        head,
        json.dumps(name).encode(),
        json.dumps(member[name]).encode(),
        mark,
        rest,
    )


NO_ENVELOPE: Final[Mapping[str, Change | bytes]] = {
    "bytes behind the JSON": lambda body: body + b"x",
    "a second JSON behind it": lambda body: body + body,
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "half of the JSON": lambda body: body[: len(body) // 2],
    "a list at the top": lambda body: b"[" + body + b"]",
    "null": b"null",
    "a number": b"17",
    "a string": b'"Success"',
    "an empty object": b"{}",
    "success that is text": envelope(success="true"),
    "success that is a number": envelope(success=1),
    "neither success nor code": envelope(success=..., code=...),
    "a code that is a list": envelope(code=[200]),
    "a code with a fraction": envelope(code=200.5),
    "invalid UTF-8 in msg": lambda body: body.replace(b'"msg":"', b'"msg":"\xff'),
    "a lone surrogate in msg": lambda body: body.replace(b'"msg":"', b'"msg":"\\ud800'),
}

OPEN: Final = tuple(name for name in CALLS if name != SENSITIVE)
"""Answers with card data are cut off at 64 KiB."""
NESTS: Final = {
    "200,000 brackets": answers(NESTED),
    "nested in a field nobody reads": answers(lambda b: b[:-1] + b',"x":' + NESTED + b"}"),
}
DIGITS: Final = answers(lambda b: b[:-1] + b',"x":' + b"9" * 10**6 + b"}")

BODY: Final = (
    again("an empty 200", NotAnEnvelope, answers(b""), wired=False),
    again("204", NotAnEnvelope, sends(b"HTTP/1.1 204 No Content\r\n\r\n", close=False)),
    again("205", NotAnEnvelope, answers(b"", status="205 Reset Content"), wired=False),
    again(
        "a login page with 200",
        NotAnEnvelope,
        answers(b"<html><form>Log in</form></html>", "Content-Type: text/html"),
        wired=False,
    ),
    *(
        again(name, NotAnEnvelope, answers(change), wired=False)
        for name, change in NO_ENVELOPE.items()
    ),
    fine("invalid UTF-8 in a field nobody reads", answers(lambda b: b[:-1] + b',"x":"\xff"}')),
    *(again(name, NotAnEnvelope, spoil, wired=False, only=OPEN) for name, spoil in NESTS.items()),
    fine("a megabyte of digits nobody reads", DIGITS, only=OPEN),
    *(
        once(f"{name}, of card data", ResponseTooLarge, spoil, wired=False, only=(SENSITIVE,))
        for name, spoil in {**NESTS, "a megabyte of digits nobody reads": DIGITS}.items()
    ),
    fine("spaces around the JSON", answers(lambda body: b" \r\n" + body + b"\n"), wired=False),
    fine("code 0", answers(envelope(code=0)), wired=False),
    fine("code as text", answers(envelope(code="200")), wired=False),
    fine("no success, code 200", answers(envelope(success=...)), wired=False),
    fine("message for msg", answers(envelope(msg=..., message="Success")), wired=False),
    fine("201", answers(status="201 Created"), wired=False),
    _reads_on("an envelope that names a key twice", answers(lambda b: b[:-1] + b',"code":200}')),
    Row(
        "data that names a key twice",
        answers(_twice),
        RESULT,
        means(Kind.ONCE, DecodeError),
        wired=False,
        only=("cards.get_balance", *MUTATIONS),
    ),
)

"""Answers whose envelope is whole and whose fields are not: missing, renamed, wrong, another's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from fincard_async._generated.operations import load
from fincard_async.errors import DecodeError, ResponseMismatch

from .books import wire_names
from .calls import CALLS, MUTATIONS, READS
from .rows import RESULT, Row, means
from .spoils import answers, edits, envelope
from .verdicts import Kind, Verdict

JUNK: Final[Mapping[str, object]] = {
    "null": None,
    "true": True,
    "a number": 17,
    "a fraction": 1.5,
    "text": "x",
    "a list": [],
    "an object": {},
}


def _setting(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        data[name] = value

    return change


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        del data[name]

    return change


def _renamed(name: str) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        data[name + "X"] = data.pop(name)

    return change


def _needed(operation: str) -> list[str]:
    """Names in JSON of the fields without which an answer means nothing."""
    return [
        field.encode_name
        for field in msgspec.structs.fields(load(operation).output)
        if field.required
    ]


def _field(
    name: str, operation: str, change: Callable[[dict[str, Any]], None], verdict: Verdict
) -> Row:
    return Row(name, answers(edits(change)), verdict, verdict, wired=False, only=(operation,))


_BAD: Final = means(Kind.ONCE, DecodeError)
_OTHER: Final = means(Kind.ONCE, ResponseMismatch)
_METHODS: Final = ("cards.get_balance", "transactions.operations", *MUTATIONS)


def _missing() -> list[Row]:
    return [
        _field(f"{operation}: {name} {word}", operation, change(name), _BAD)
        for operation in _METHODS
        for name in _needed(operation)
        for word, change in (("missing", _without), ("renamed", _renamed))
    ]


def _echoes() -> list[Row]:
    """Each field that must be the request's, with another value, and with values of every type."""
    rows: list[Row] = []
    for operation in CALLS:
        names = wire_names(load(operation).output) if load(operation).echo else {}
        needed = _needed(operation)
        for _, answered in load(operation).echo:
            wire = names[answered]
            for word, value in JUNK.items():
                verdict = _OTHER if word == "text" else _BAD
                if word == "null" and wire not in needed:
                    verdict = RESULT  # a new card may not have its number yet
                rows.append(
                    _field(
                        f"{operation}: {wire} is {word}", operation, _setting(wire, value), verdict
                    )
                )
    return rows


def _states() -> list[Row]:
    rows: list[Row] = []
    for operation in MUTATIONS:
        status = wire_names(load(operation).output)["status"]
        rows += [
            _field(
                f"{operation}: {status} is {word}",
                operation,
                _setting(status, value),
                RESULT if word == "text" else _BAD,  # an enumeration stays open
            )
            for word, value in JUNK.items()
        ]
    return rows


AMOUNTS: Final[Mapping[str, tuple[object, Verdict]]] = {
    "a whole number": (50, RESULT),
    "text": ("50.00", RESULT),
    "a fraction": (49.5, RESULT),
    "18 and 18 digits": ("9" * 18 + "." + "9" * 18, RESULT),
    "19 digits": ("9" * 19, _BAD),
    "true": (True, _BAD),
    "a list": ([], _BAD),
    "an object": ({}, _BAD),
    "words": ("fifty", _BAD),
    "empty": ("", _BAD),
    "NaN": ("NaN", _BAD),
    "sNaN": ("sNaN", _BAD),
    "Infinity": ("Infinity", _BAD),
    "1_000": ("1_000", _BAD),
    "spaces": (" 1 ", _BAD),
    "Arabic digits": ("\u0661\u0662", _BAD),
    "1e999999": ("1e999999", _BAD),
    "1e22 as a number": (1e22, _BAD),
    "a comma": ("1,50", _BAD),
    "a plus": ("+1", _BAD),
}


def _amounts() -> list[Row]:
    rows: list[Row] = []
    for operation in ("cards.get_balance", "cards.deposit"):
        name = wire_names(load(operation).output)["amount"]
        rows += [
            _field(f"{operation}: {name} is {word}", operation, _setting(name, value), verdict)
            for word, (value, verdict) in AMOUNTS.items()
        ]
        for word, digits in (("a megabyte of digits", b"9" * 10**6), ("1E999999", b"1E999999")):
            mark = b'"\\u0000here"'

            def change(
                body: bytes, digits: bytes = digits, mark: bytes = mark, name: str = name
            ) -> bytes:
                return edits(_setting(name, "\x00here"))(body).replace(mark, digits)

            rows.append(
                Row(
                    f"{operation}: {name} is {word}",
                    answers(change),
                    _BAD,
                    _BAD,
                    wired=False,
                    only=(operation,),
                )
            )
    return rows


FIELDS: Final = (
    *_missing(),
    *_echoes(),
    *_states(),
    *_amounts(),
    *(
        Row(
            f"{operation}: data is {word}",
            answers(envelope(data=value)),
            _BAD,
            _BAD,
            wired=False,
            only=(operation,),
        )
        for operation in (*READS, *MUTATIONS)
        for word, value in JUNK.items()
        if (operation, word) not in {("cards.get_sensitive", "an object")}
    ),
)

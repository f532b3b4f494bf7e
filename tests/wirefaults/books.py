"""What a server carried out, and what it honestly answers. The only judge of every test here.

Every path, field and answer comes from the schema: its examples are the honest answers, with the
order number and the card of the request put in.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from fincard_async._generated.operations import OPERATION_NAMES, load
from fincard_async._sansio.envelope import render_envelope
from fincard_async._sansio.model import Model
from fincard_async._sansio.operation import Operation
from tests.schema_examples import examples

Memory = Literal["error", "none", "replay"]
"""What the server does with an order number that it knows; see ``RetryPolicy.dedupe``."""

QUERY: Final = "transactions.operations"
LOGIN: Final = "auth.password_login"
PATHS: Final[Mapping[str, str]] = {load(name).path: name for name in OPERATION_NAMES}
DUPLICATE: Final = next(
    example.answer for example in examples() if example.name == "duplicate_order"
)


@lru_cache(maxsize=1)
def _succeeding() -> Mapping[str, dict[str, Any]]:
    """The first success of every operation."""
    answers: dict[str, dict[str, Any]] = {}
    for example in examples():
        if example.answer.get("success") is not False:
            answers.setdefault(example.operation, example.answer)
    return answers


def wire_names(model: type[Model]) -> Mapping[str, str]:
    """Python name of a field -> its name in JSON."""
    return {field.name: field.encode_name for field in msgspec.structs.fields(model)}


@dataclass(frozen=True)
class Request:
    """One request as it was read from a socket."""

    operation: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    """Which connection it came over; they are counted from 1."""

    @property
    def fields(self) -> dict[str, Any]:
        """The body."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def order_no(self) -> str | None:
        """The order number of a mutation."""
        known = load(self.operation).order_number
        return None if known is None else self.fields.get(known.wire)


class Books:
    """The ledger of one server."""

    def __init__(self, memory: Memory = "error") -> None:
        self.memory = memory
        self.carried_out: Counter[str] = Counter()
        self.rows: list[dict[str, Any]] = []
        self._first: dict[str, dict[str, Any]] = {}

    def answer(self, request: Request) -> bytes:
        """Carry the request out, and say so."""
        operation = load(request.operation)
        number = request.order_no
        if request.operation == QUERY:
            return _json(self._page(request))
        if number is None:
            return _json(self.honest(request))
        if number in self.carried_out and self.memory == "error":
            return _json(DUPLICATE)
        if number in self.carried_out and self.memory == "replay":
            return _json(self._first[number])
        honest = self.honest(request)
        self._first[number] = honest
        self.carried_out[number] += 1
        self.rows.insert(0, self._row(operation, honest["data"]))
        return _json(honest)

    def login(self, token: str) -> bytes:
        """A login that succeeds."""
        name = wire_names(load(LOGIN).output)["access_token"]
        return _json({**_succeeding()[LOGIN], name: token})

    def honest(self, request: Request) -> dict[str, Any]:
        """What the answer is if the request is carried out."""
        operation = load(request.operation)
        answer = deepcopy(_succeeding()[request.operation])
        names = wire_names(operation.output)
        if operation.shape == "object":
            asked = {name for name, _ in operation.echo} | {"amount"}
            for name in asked & names.keys() & wire_names(operation.input).keys():
                answer["data"][names[name]] = request.fields[wire_names(operation.input)[name]]
        return answer

    def _row(self, operation: Operation[Model, object], data: dict[str, Any]) -> dict[str, Any]:
        """The operation in the query that knows it."""
        assert operation.settled_by is not None
        names = wire_names(load(operation.settled_by).output)
        number = len(self.rows) + 1
        return {
            names["order_no"]: f"{number:019}",
            **{name: data[name] for name in names.values() if name in data},
            names["type"]: operation.kind,
        }

    def _page(self, request: Request) -> dict[str, Any]:
        """Rows by order number; without one, the example of the schema."""
        operation = load(QUERY)
        names = wire_names(operation.input)
        wanted = request.fields.get(names["merchant_order_no"])
        answer = deepcopy(_succeeding()[QUERY])
        if wanted is not None or names["card_no"] not in request.fields:
            key = names["merchant_order_no"]
            rows = [row for row in self.rows if wanted is None or row.get(key) == wanted]
            answer["data"].update(records=rows, total=len(rows))
        return answer


def _json(answer: object) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()


def refusal(code: int | str | None, text: str | None) -> bytes:
    """An envelope that refuses."""
    if isinstance(code, int):
        return render_envelope(success=False, code=code, msg=text, data=None)
    return _json({"success": False, "code": code, "msg": text, "data": None})

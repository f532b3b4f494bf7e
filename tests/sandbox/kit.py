"""What the tests of the sandbox share: a clock that is moved by hand, and a caller of endpoints."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from fincard_async._crypto.keys import PrivateKey
from fincard_async._generated.operations import load
from fincard_async._sansio.codec import decode_any, encode
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async.sandbox import CARD_TYPES, Sandbox, SandboxSettings
from fincard_async.sandbox.catalog import PHYSICAL, PREPAID
from fincard_async.sandbox.state import State

START = 1_795_342_500.0
KEY = PrivateKey.generate()
SETTINGS = SandboxSettings(merchant_key=KEY.public_key().pem())


class Time:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.ms = round(START * 1000)

    def __call__(self) -> float:
        return self.ms / 1000

    def pass_ms(self, milliseconds: int) -> None:
        self.ms += milliseconds


class Refused(Exception):
    """The sandbox said no."""

    def __init__(self, status: int, code: int, msg: str) -> None:
        super().__init__(status, code, msg)
        self.status, self.code, self.msg = status, code, msg


class Api:
    """A logged-in caller of one sandbox in this process."""

    def __init__(
        self, settings: SandboxSettings = SETTINGS, state: Path | None = None, **changes: Any
    ) -> None:
        self.time = Time()
        self.sandbox = Sandbox(replace(settings, **changes), clock=self.time, state=state)
        self.headers = {
            "X-Tenant-ID": "sandbox",
            "X-Forwarded-For": "203.0.113.7",
            "X-Forwarded-From": "tests",
            "platform": "web",
            "deviceId": "device-1",
            "User-Agent": "tests",
        }
        self._numbers = count(1)
        self.log_in()

    @property
    def controls(self) -> Any:
        return self.sandbox.controls

    @property
    def state(self) -> State:
        return self.sandbox._engine.state

    def log_in(self) -> None:
        path = load("auth.create_session").path.format(
            organizationId="sandbox-organization", userId="sandbox-user"
        )
        reply = self.send(path, {"username": "sandbox", "password": "sandbox-password"})
        self.headers["Authorization"] = f"Bearer {msgspec.json.decode(reply.body)['data']['token']}"

    def send(self, path: str, body: object) -> HttpResponse:
        raw = body if isinstance(body, bytes) else encode(body)
        return self.sandbox.handle(HttpRequest(path, self.headers, raw))

    def call(self, name: str, **body: Any) -> Any:
        """The ``data`` of a success; amounts as numbers."""
        response = self.send(load(name).path, body)
        answer: Any = decode_any(response.body)
        if not answer["success"]:
            raise Refused(response.status, answer["code"], answer["msg"])
        assert response.status == 200
        assert answer["code"] == 200
        return answer["data"]

    def change(self, method: str, card_no: str, **body: Any) -> Any:
        """A mutation of a card with a new order number."""
        body.setdefault("merchantOrderNo", self.number())
        return self.call(f"cards.{method}", cardNo=card_no, **body)

    def number(self) -> str:
        return f"TEST{next(self._numbers):020d}"

    def order(self, card_type: int = PREPAID, amount: object = 50, **body: Any) -> Any:
        """Order a card; the answer."""
        body.setdefault("merchantOrderNo", self.number())
        return self.call("cards.open", cardTypeId=card_type, amount=amount, **body)

    def card(self, card_type: int = PREPAID, amount: object = 50, **body: Any) -> str:
        """A card whose creation is final; its number."""
        card_no: str = self.order(card_type, amount, **body)["cardNo"]
        self.settle()
        return card_no

    def plastic(self, printed: str = "OFFLINE-1", *, active: bool = True) -> str:
        """A physical card, activated if asked for."""
        card_no = self.card(PHYSICAL, 50, holderId=124801, cardNumber=printed)
        if active:
            code = self.state.messages.rows[-1].text
            self.change("activate", card_no, pin="102938", activeCode=code)
            self.settle()
        return card_no

    def settle(self) -> None:
        """Let every order with the default latency become final."""
        self.time.pass_ms(20)
        self.sandbox._engine.tick()

    def status(self, card_no: str) -> str:
        status: str = self.call("cards.get", cardNo=card_no)["status"]
        return status

    def balance(self, card_no: str) -> Decimal:
        return Decimal(str(self.call("cards.get_balance", cardNo=card_no)["amount"]))

    def rows(self, query: str, **filters: Any) -> list[Any]:
        """The first hundred rows of a query."""
        rows: list[Any] = self.page(query, **filters)["records"]
        return rows

    def page(self, query: str, number: int = 1, size: int = 100, **filters: Any) -> Any:
        return self.call(f"transactions.{query}", pageNum=number, pageSize=size, **filters)


def card_type(card_type_id: int) -> Any:
    """A default card type by id."""
    return next(item for item in CARD_TYPES if item.card_type_id == card_type_id)

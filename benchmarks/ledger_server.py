"""A fast server with a ledger, for jobs of a million rows: card orders, look-ups, faults, no more.

It is no sandbox: it checks nothing but the order number. What it knows of the wire is the schema's.
A share of the orders goes wrong, by a hash of how many came before, in four ways: the connection
breaks before or after the order is carried out, HTTP 503 before, HTTP 502 after.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from multiprocessing.connection import Connection
from typing import Any
from zlib import crc32

from fincard_async._generated.models.cards import CardOperation, OpenCardRequest
from fincard_async._generated.models.common import OperationStatus, OperationType
from fincard_async._generated.models.transactions import ListOperationsRequest, OperationRecord
from fincard_async._generated.operations.cards import OPEN
from fincard_async._generated.operations.transactions import OPERATIONS
from fincard_async._sansio.envelope import render_envelope

CONTROL = b"/_ledger/"
_QUERY = OPERATIONS.path.encode()
_SCALE = 1_000_000
REPEATED = "Duplicate order number"
_FATES = ("drop", "carry out and drop", "503", "carry out and 502")


class Ledger:
    """Orders by number, in 100 bytes or so for each."""

    def __init__(self, share: float) -> None:
        self._limit = int(share * _SCALE)
        self._orders: dict[str, tuple[int, str]] = {}
        self.total = Decimal(0)
        self.faults: Counter[str] = Counter()
        self.repeated = 0
        self.calls = 0
        self.first_call: float | None = None
        self._waiting: list[tuple[int, asyncio.Transport]] = []

    def fate(self) -> str | None:
        """What goes wrong with the next order; None: nothing."""
        self.calls += 1
        point = crc32(b"%d" % self.calls) % _SCALE
        if point >= self._limit:
            return None
        fate = _FATES[point % len(_FATES)]
        self.faults[fate] += 1
        return fate

    def open_card(self, request: OpenCardRequest) -> bytes:
        """Carry out an order, or refuse a number that was used."""
        number = request.merchant_order_no
        if number in self._orders:
            self.repeated += 1
            return render_envelope(success=False, code=-1, msg=REPEATED, data=None)
        self._orders[number] = (len(self._orders), str(request.amount))
        self.total += request.amount
        self._wake()
        return _success(CardOperation(**self._fields(number)))

    def find(self, request: ListOperationsRequest) -> bytes:
        """The order of one number."""
        number = request.merchant_order_no or ""
        found = [OperationRecord(**self._fields(number))] if number in self._orders else []
        return _success({"total": len(found), "records": found})

    def _fields(self, number: str) -> dict[str, Any]:
        serial, amount = self._orders[number]
        return {
            "order_no": f"{serial:020}",
            "merchant_order_no": number,
            "status": OperationStatus.SUCCESS,
            "type": OperationType.CREATE,
            "card_no": f"FC{serial:020}",
            "currency": "USD",
            "amount": Decimal(amount),
            "fee": Decimal(1),
            "received_amount": Decimal(amount),
            "received_currency": "USD",
        }

    def control(self, name: str, argument: int) -> dict[str, object] | None:
        """Answer the benchmark; None: later, once there are so many orders."""
        if name == "mark":
            self.first_call = None
        elif name == "wait" and len(self._orders) < argument:
            return None
        return {
            "orders": len(self._orders),
            "total": str(self.total),
            "faults": self.faults,
            "repeated": self.repeated,
            "first_call": self.first_call,
        }

    def wait(self, count: int, transport: asyncio.Transport) -> None:
        """Answer once there are so many orders, or after a second."""
        self._waiting.append((count, transport))
        asyncio.get_running_loop().call_later(1.0, self._wake, True)

    def _wake(self, anyway: bool = False) -> None:
        if self._waiting and (anyway or len(self._orders) >= self._waiting[0][0]):
            _, transport = self._waiting.pop()
            transport.write(_http(json.dumps(self.control("state", 0)).encode()))


class _Connection(asyncio.Protocol):
    def __init__(self, ledger: Ledger, delay: float) -> None:
        self._ledger = ledger
        self._delay = delay
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = 0 if at < 0 else int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            path = self._buffer.split(b" ", 2)[1]
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(path, body)

    def _answer(self, path: bytes, body: bytes) -> None:
        ledger = self._ledger
        if path.startswith(CONTROL):
            name, _, argument = path.removeprefix(CONTROL).decode().partition("/")
            found = ledger.control(name, int(argument or 0))
            if found is None:
                ledger.wait(int(argument), self._transport)
            else:
                self._transport.write(_http(json.dumps(found).encode()))
            return
        ledger.first_call = ledger.first_call or time.monotonic()
        if path == _QUERY:
            self._transport.write(_http(ledger.find(OPERATIONS.input_decoder.decode(body))))
            return
        fate = ledger.fate()
        if fate is None or fate.startswith("carry out"):
            answer = ledger.open_card(OPEN.input_decoder.decode(body))
            if fate is None:
                self._write_later(_http(answer))
                return
        if fate is not None and fate.endswith("drop"):
            self._transport.abort()
        else:
            status = b"502 Bad Gateway" if fate == "carry out and 502" else b"503 Unavailable"
            self._transport.write(_http(b"", status))

    def _write_later(self, data: bytes) -> None:
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, data)
        else:
            self._transport.write(data)


def _success(data: object) -> bytes:
    return render_envelope(success=True, code=200, msg="Success", data=data)


def _http(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def _serve(pipe: Connection, share: float, delay: float) -> None:
    async def main() -> None:
        ledger = Ledger(share)
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(ledger, delay), "127.0.0.1", 0
        )
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def ledger_server(share: float, delay: float = 0.0) -> Iterator[str]:
    """Run the server; ``share`` of the orders goes wrong, and what is carried out is answered after
    ``delay`` seconds. Gives its origin.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, share, delay), daemon=True)
    process.start()
    there.close()  # else nobody hears of it if the process cannot begin
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.kill()
        process.join()


def ask(origin: str, name: str, argument: int = 0, timeout: float = 600.0) -> dict[str, Any]:
    """A control call: ``state``; ``mark``: forget the first call; ``wait``: a second for orders."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = f"{origin}{CONTROL.decode()}{name}/{argument}"
    with opener.open(url, timeout=timeout) as response:
        found: dict[str, Any] = json.load(response)
    return found

"""Canaries on the whole surface of webhooks: none comes out, anywhere, except by ``reveal()``."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest

from fincard_async._crypto.sealing import seal
from fincard_async.errors import FincardError
from fincard_async.testing import (
    platform_key,
    sandbox_client,
    sandbox_key,
    sign_webhook,
)
from fincard_async.webhooks import (
    Event,
    Inbox,
    SqliteStore,
    ThreeDsEvent,
    WebhookVerifier,
    WorkOrderEvent,
)

from .kit import OPERATION, Desk, sample, samples, verifier

pytestmark = pytest.mark.anyio

OTP, CODE, PATH = "864209753", "CANARY77CODE", "canary-path-in-a-url"
TARGET = "4111111111111111"
SECRETS = (OTP, CODE, PATH, TARGET)


def sealed(kind: str, text: str) -> dict[str, Any]:
    """A 3DS event whose value is a canary."""
    value = seal(sandbox_key().public_key(), text)
    return sample("card_3ds", type=kind, values=value, tradeNo=f"TDS-{kind}")


def events() -> list[tuple[str, dict[str, Any]]]:
    """Deliveries with canaries in every place that can hold a secret."""
    return [
        ("card_3ds", sealed("third_3ds_otp", OTP)),
        ("card_3ds", sealed("activation_code", CODE)),
        ("card_3ds", sealed("auth_url", f"https://3ds.example/{PATH}")),
        ("work", sample("work", target=TARGET)),
        *((case.category, case.body) for case in samples()),
    ]


def words(value: object) -> str:
    """Everything that a value says of itself."""
    said = [repr(value), str(value), f"{value}", f"{value!r:>10}", "%s" % (value,)]  # noqa: UP031
    for way in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        try:
            said.append(repr(way(value)))
        except (AttributeError, TypeError, FincardError) as error:  # some hold functions
            said.append(repr(error))
    return "\n".join(said)


def hits(text: str) -> list[str]:
    """Which canaries a text holds."""
    return [secret for secret in SECRETS if secret in text]


def files(folder: Path) -> list[str]:
    """Everything that lies in a folder."""
    return [path.read_bytes().decode("latin-1") for path in folder.iterdir()]


async def test_nothing_leaks_from_events_and_rows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Events, receipts, the database file, logs of failing handlers, subscribers: 0 hits."""
    path = tmp_path / "inbox.db"
    inbox = Inbox(verifier(), SqliteStore(path), confirm=False)
    said: list[str] = []
    inbox.subscribe(lambda event: said.append(words(event)))
    opened = 0

    @inbox.on()
    async def open_it(event: Event) -> None:
        nonlocal opened
        said.append(words(event))
        if isinstance(event, WorkOrderEvent):
            raise RuntimeError("it stays in the store")
        if isinstance(event, ThreeDsEvent):
            async with sandbox_client(card_key=sandbox_key()) as client:
                try:
                    with await client.unseal(event) as value:
                        opened += bool(hits(value.reveal()))
                        said.append(words(value))
                        raise RuntimeError("the handler failed with a secret in its hands")
                except FincardError as error:  # the schema's own example opens to nothing
                    said.append(words(error))

    with caplog.at_level(logging.DEBUG):
        for category, body in events():
            receipt = await inbox.receive(*sign_webhook(body, category=category))
            said.append(words(receipt) + repr(receipt.reply.body))
            said.extend(files(tmp_path))
    kept = await inbox.store.waiting(now=1e12, limit=99, below=99)
    said.append(words(kept) + words(inbox.store) + words(inbox))
    await inbox.aclose()
    said.extend(files(tmp_path))
    said.append(caplog.text)
    assert opened == 3
    assert len(kept) == 5
    assert hits("\n".join(said)) == []


async def test_a_done_event_leaves_no_body(tmp_path: Path) -> None:
    """What the platform said is erased from the rows as soon as it was handled."""
    path = tmp_path / "inbox.db"
    store = SqliteStore(path)
    inbox = Inbox(verifier(), store, confirm=False)
    await inbox.receive(*sign_webhook(sample(OPERATION, description="canary-description")))
    assert await store._run(lambda db: db.execute("SELECT body FROM events").fetchall()) == [(b"",)]
    await inbox.aclose()


async def test_errors_hold_no_body() -> None:
    """Neither the message, nor the chain, nor the locals of any frame of this package."""
    strict = WebhookVerifier(platform_key().public_key())
    bodies = [
        json.dumps({**sample(OPERATION), "amount": OTP + "x", "status": CODE}).encode(),
        json.dumps({"orderNo": CODE, "type": 5, "status": OTP}).encode(),
        f'{{"values": "{CODE}", "type": "x", "values": "{OTP}"}}'.encode(),
        OTP.encode(),
    ]
    for body in bodies:
        for headers, content in (sign_webhook(body), ({"X-FC-SIGNATURE": CODE}, body)):
            with pytest.raises(FincardError) as caught:
                strict.verify(headers, content)
            frames = [*traceback.walk_tb(caught.value.__traceback__)][1:]
            assert frames
            assert hits(repr([frame.f_locals for frame, _ in frames])) == []
            assert hits(repr(caught.value.args) + repr(caught.value)) == []
            assert caught.value.__cause__ is None
            assert caught.value.__context__ is None


async def test_opened_values_print_nothing() -> None:
    """In every way in which a value can be shown, copied or encoded."""
    async with sandbox_client(card_key=sandbox_key()) as client:
        event = verifier().verify(*sign_webhook(sealed("third_3ds_otp", OTP)))
        assert isinstance(event, ThreeDsEvent)
        value = await client.unseal(event)
        assert value.reveal() == OTP
        assert hits(words(value) + words([value]) + words({"a": value})) == []


async def test_what_is_secret_in_plain_text_is_not_kept() -> None:
    """A work order that failed comes again by a sweep, without its target, and is done then."""
    desk = Desk()
    desk.failures = 1
    assert await desk.send("work", target=TARGET) == "failed"
    (kept,) = await desk.inbox.store.waiting(now=1e12, limit=9, below=9)
    assert TARGET.encode() not in kept.body
    assert await desk.inbox.sweep() == 1
    (event,) = desk.seen
    assert isinstance(event, WorkOrderEvent)
    assert (event.data.target, event.data.order_no) == (None, "WORK-0001")
    assert await desk.send("work", target=TARGET) == "duplicate"

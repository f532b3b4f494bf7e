"""Opening and verifying, beside the bare call of ``cryptography`` in the same run.

    python -m benchmarks.crypto [seconds]

Prints calls per second of one thread, and what part of the bare call's rate is left.
"""

from __future__ import annotations

import base64
import json
import sys
import time
import warnings
from collections.abc import Callable

import anyio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from fincard_async import Sealed
from fincard_async._crypto.opening import open_card, open_three_ds
from fincard_async._crypto.sealing import seal, unseal
from fincard_async._generated.models.cards import SensitiveCard
from fincard_async._generated.models.common import ThreeDsType
from fincard_async._generated.models.transactions import ThreeDsRecord
from fincard_async.keys import PrivateKey
from fincard_async.webhooks import WebhookVerifier

V15 = padding.PKCS1v15()
EVENT = {
    "orderNo": "1995300000000000101",
    "merchantOrderNo": "K3V7QZ2M5XW6T4R8B1N9C0D2F5G7H3J6",
    "cardNo": "WB2051110012345678901234",
    "currency": "USD",
    "amount": "50",
    "fee": "1",
    "receivedAmount": "50",
    "receivedCurrency": "USD",
    "type": "create",
    "status": "success",
    "description": None,
    "transactionTime": 1795305600000,
}


def rate(call: Callable[[], object], seconds: float) -> float:
    """Calls per second."""
    call()
    count, begun = 0, time.perf_counter()
    while (taken := time.perf_counter() - begun) < seconds:
        for _ in range(20):
            call()
        count += 20
    return count / taken


def compare(name: str, ours: Callable[[], object], bare: Callable[[], object], part: float) -> None:
    """One line; the two are measured in turns, so that the machine's moods hit both."""
    mine = theirs = 0.0
    for _ in range(3):
        mine, theirs = mine + rate(ours, part) / 3, theirs + rate(bare, part) / 3
    print(f"{name:34} {mine:10,.0f}/s   bare {theirs:10,.0f}/s   {mine / theirs:6.1%}")


def lines(bits: int, part: float) -> None:
    """All comparisons with keys of one size."""
    key = PrivateKey.generate(bits)
    raw, public = key._key, key._key.public_key()
    sealed = Sealed(seal(key.public_key(), "4242424242424242"))
    block = base64.b64decode(sealed.ciphertext)
    body = json.dumps(EVENT).encode()
    signature = key.sign(body)
    headers = {"X-FC-SIGNATURE": base64.b64encode(signature).decode()}
    verifier = WebhookVerifier(key.public_key())

    def bare_open() -> object:
        return raw.decrypt(block, V15)

    def bare_verify() -> object:
        return public.verify(signature, body, V15, hashes.SHA256())

    def verify() -> object:
        return verifier.verify(headers, body)

    def open_one() -> object:
        return unseal(key, sealed, "card_number")

    compare(f"unseal a card number, {bits} bits", open_one, bare_open, part)
    compare(f"verify and read, {bits} bits", verify, bare_verify, part)
    print(f"{'':34} {len(body)} bytes: a typed event against the check of its signature alone")


async def loop(seconds: float) -> None:
    """How long the event loop is held up by a card and by a page of codes."""
    key = PrivateKey.generate()
    sealed = Sealed(seal(key.public_key(), "123"))
    number = Sealed(seal(key.public_key(), "4242424242424242"))
    card = SensitiveCard(card_number=number, cvv=sealed)
    code = Sealed(seal(key.public_key(), "123456"))
    page = [ThreeDsRecord(card_no="C", type=ThreeDsType.OTP, values=code)] * 100
    longest, done = 0.0, False

    async def watch() -> None:
        nonlocal longest
        before = time.perf_counter()
        while not done:
            await anyio.sleep(0.001)
            now = time.perf_counter()
            longest, before = max(longest, now - before - 0.001), now

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds:
            await open_three_ds([key], page)
            await open_card([key], card)
        done = True
    print(f"{'100 codes beside the loop':34} {longest * 1000:10.1f} ms: the loop's longest stop")


def main() -> None:
    """Everything, with a second for each measurement unless told otherwise."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    warnings.simplefilter("ignore")
    for bits in (1024, 2048):
        lines(bits, seconds)
    anyio.run(loop, seconds)


if __name__ == "__main__":
    main()

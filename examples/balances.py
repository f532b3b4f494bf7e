"""Read the balances of many cards at once; here against a sandbox in this process.

python examples/balances.py
"""

# ruff: noqa: T201 - an example prints
from __future__ import annotations

import asyncio
from decimal import Decimal

from fincard_async import FincardClient, FincardError
from fincard_async.sandbox import Sandbox, SandboxSettings
from fincard_async.testing import sandbox_client

AT_ONCE = 20


async def balance(client: FincardClient, card_no: str, gate: asyncio.Semaphore) -> Decimal | None:
    """The balance of a card; None, and a line that says why, if it cannot be read."""
    async with gate:
        try:
            return (await client.cards.get_balance(card_no)).amount
        except FincardError as error:
            print(f"{card_no}: {error}")
            return None


async def main() -> None:
    """Issue fifty cards, then read fifty balances and one that does not exist."""
    sandbox = Sandbox(SandboxSettings(latency_ms=0))
    async with sandbox_client(sandbox=sandbox) as client:
        opened = [await client.cards.open(card_type_id=111001, amount="25.10") for _ in range(50)]
        card_nos = [card.card_no for card in opened if card.card_no] + ["NO-SUCH-CARD"]
        gate = asyncio.Semaphore(AT_ONCE)
        found = await asyncio.gather(*(balance(client, card_no, gate) for card_no in card_nos))
    known = [amount for amount in found if amount is not None]
    print(f"{len(known)} balances, {sum(known)} USD")


if __name__ == "__main__":
    asyncio.run(main())

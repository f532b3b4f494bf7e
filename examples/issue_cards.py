"""Issue the cards of a CSV file in bulk, with a journal; here against a sandbox in this process.

Run it twice with the same folder: the second run finds everything done and sends nothing.

    python examples/issue_cards.py [FOLDER]
"""

# ruff: noqa: T201 - an example prints
from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from fincard_async.bulk import BulkIssue, SqliteJournal, check_rows, read_rows
from fincard_async.sandbox import Sandbox
from fincard_async.testing import sandbox_client

CARDS = Path(__file__).with_name("cards.csv")


async def main(folder: Path) -> None:
    """Read, check, issue, report."""
    rows = read_rows(CARDS)
    # Against a real server: `async with FincardClient.from_env() as client`.
    with Sandbox(state=folder / "sandbox.state") as sandbox:
        async with sandbox_client(sandbox=sandbox) as client:
            check_rows(rows, await client.cards.list_types(), CARDS.name)
            job = BulkIssue(client, journal=SqliteJournal(folder / "cards.journal"))
            report = await job.run(rows, job="example")
    for state, count in report.counts.items():
        if count:
            print(f"{state.value}: {count}")
    for currency, amount in report.received.items():
        print(f"on the cards: {amount} {currency}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as made:
            asyncio.run(main(Path(made)))

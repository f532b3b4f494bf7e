"""The recipes of ``docs/distributed.md``: all of them compile, and what needs only us runs."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import anyio
import pytest

from fincard_async.bulk import issue_rows
from fincard_async.bulk.chunks import plan_job

from .fleet import client_of, sandbox, settings_of

pytest.importorskip("asyncpg")
pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[3] / "docs" / "distributed.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
ROWS = 7


def block_with(*words: str) -> str:
    """The one block that has these words."""
    (found,) = (block for block in BLOCKS if all(word in block for word in words))
    return str(found)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_recipe_compiles(number: int) -> None:
    """Every block is Python."""
    compile(BLOCKS[number], f"{PAGE.name}, block {number + 1}", "exec")


def test_plain_processes(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared part and the loop of plain processes work a job to its end, as printed."""
    file = tmp_path / "cards.csv"
    lines = [f"row-{n},111001,50\n" for n in range(ROWS)]
    file.write_text("row_id,card_type_id,amount\n" + "".join(lines))
    with sandbox("error", 1, {}) as server:
        monkeypatch.setenv("FINCARD_POSTGRES_URL", url)
        for name, value in settings_of(server.base_url).items():
            monkeypatch.setenv(name, value)

        async def plan() -> None:
            async with client_of(server.base_url) as client:
                await plan_job(client, url, issue_rows(file), job="november", chunk_rows=3)

        anyio.run(plan)
        shared = types.ModuleType("cards_job")
        exec(block_with("async def work_at"), shared.__dict__)
        monkeypatch.setitem(sys.modules, "cards_job", shared)
        loop: dict[str, Any] = {}
        exec(block_with("async def main", "unfinished"), loop)
        anyio.run(loop["main"], "november")
        books = server.books()
    assert (books.cards, books.orders) == (ROWS, ROWS)

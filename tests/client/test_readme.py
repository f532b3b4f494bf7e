"""The code of the README is code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS)
def test_parses(code: str) -> None:
    """Every block is Python."""
    compile(code, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_first_block_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The twelve lines run as they are, and print a card, its balance and its order."""
    exec(compile(BLOCKS[0], "README.md", "exec"), {})
    card, balance, row = capsys.readouterr().out.splitlines()
    assert card.endswith("wait_process")
    assert "Decimal('50')" in balance
    assert row.startswith("create 50 success")

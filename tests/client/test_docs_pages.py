"""The examples of ``docs/pages.md`` run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

TEXT = (Path(__file__).parents[2] / "docs" / "pages.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("code", EXAMPLES, ids=["pages", "export", "follow"])
async def test_examples_run(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each one prints the row of the card that it opens."""
    names: dict[str, Any] = {}
    exec(code, names)
    (function,) = [item for name, item in names.items() if name in ("pages", "export", "follow")]
    await function()
    assert "19" in capsys.readouterr().out

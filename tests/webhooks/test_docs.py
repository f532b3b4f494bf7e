"""The code of the two pages on webhooks and secrets is code, and what can run does."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fincard_async._generated.events import KINDS

ROOT = Path(__file__).parents[2]
PAGES = {
    name: (ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("webhooks", "secrets")
}
FRAGMENTS = [
    code for page in PAGES.values() for code in re.findall(r"```py\n(.*?)```", page, re.DOTALL)
]
PROGRAMS = {
    name: re.findall(r"```python\n(.*?)```", page, re.DOTALL) for name, page in PAGES.items()
}


def run(code: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a program prints."""
    exec(compile(code, "docs", "exec"), {"__name__": "docs"})
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("code", FRAGMENTS)
def test_fragments_parse(code: str) -> None:
    """Those that need a server or a key of the reader's are Python at least."""
    compile(code, "docs", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("code", FRAGMENTS)
def test_what_fragments_import_exists(code: str) -> None:
    """Every name that they take from the package is there."""
    lines = [line for line in code.splitlines() if line.startswith(("from fincard", "import"))]
    exec("\n".join(lines), {})


def test_a_physical_card_from_order_to_use(capsys: pytest.CaptureFixture[str]) -> None:
    """Open, activation code by webhook, activate, Normal."""
    assert run(PROGRAMS["webhooks"][0], capsys) == ["un_activated", "Normal"]


def test_a_one_time_code(capsys: pytest.CaptureFixture[str]) -> None:
    """The code arrives sealed by webhook, is opened and shown."""
    assert run(PROGRAMS["webhooks"][1], capsys) == ["Example Store, 19.90 USD: 864209"]


def test_a_card_is_opened(capsys: pytest.CaptureFixture[str]) -> None:
    """Its ends are readable, and it does not print."""
    first, second = run(PROGRAMS["secrets"][0], capsys)
    assert first == "Pan(...)"
    assert re.fullmatch(r"[0-9]{6} \.\.\. [0-9]{4}", second)


def test_a_pin_does_not_print(capsys: pytest.CaptureFixture[str]) -> None:
    """A generated PIN is a secret."""
    assert run(PROGRAMS["secrets"][1], capsys) == ["Secret(...)"]


def test_every_program_is_run() -> None:
    """A block that is added must be added here, too."""
    assert {name: len(programs) for name, programs in PROGRAMS.items()} == {
        "webhooks": 2,
        "secrets": 2,
    }


@pytest.mark.parametrize("category", KINDS)
def test_every_category_is_named(category: str) -> None:
    """The table of the page has all classes and categories."""
    kind = KINDS[category]
    assert f"`{category}`" in PAGES["webhooks"]
    assert f"`{kind.event.__name__}`" in PAGES["webhooks"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, extra, said",
    [
        ("webhooks_fastapi", "fastapi", "handled: 1 of 3 deliveries"),
        ("webhooks_litestar", "litestar", "handled: 1 of 3 deliveries"),
        ("webhooks_aiohttp", "aiohttp", "webhooks first: success"),
    ],
)
def test_an_example_runs(name: str, extra: str, said: str) -> None:
    """As a program of its own, with warnings as errors of this package."""
    pytest.importorskip(extra)
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout

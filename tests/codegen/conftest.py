"""A copy of the small schema that a test may damage, and a way to run the compiler."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of the compiler did."""

    status: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """The small schema, with the vocabulary of the real one."""
    folder = tmp_path / "schema"
    shutil.copytree(HERE / "schema", folder)
    shutil.copy(ROOT / "schema" / "x-fincard.schema.json", folder)
    return folder


@pytest.fixture
def run(
    schema: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Run the compiler on the small schema, with paths as a user in its folder would see them."""
    main = pytest.importorskip("codegen.__main__", exc_type=ImportError).main
    monkeypatch.chdir(tmp_path)

    def run_codegen(*arguments: str) -> Outcome:
        capsys.readouterr()
        status = main([*arguments, "--schema", "schema", "--output", "out"])
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run_codegen

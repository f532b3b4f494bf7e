"""The table of bugs follows the code: what each of them changes is still there, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from .table import MUTANTS, Mutant
from .webhooks import WEBHOOK_MUTANTS

PACKAGE = Path(__file__).parents[2] / "fincard_async"


@pytest.mark.parametrize("mutant", [*MUTANTS, *WEBHOOK_MUTANTS], ids=lambda mutant: mutant.name)
def test_the_text_that_a_bug_changes(mutant: Mutant) -> None:
    """A bug whose text is gone would no longer be tried by ``nox -s mutants``."""
    assert (PACKAGE / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1

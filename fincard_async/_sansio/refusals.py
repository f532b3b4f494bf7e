"""Which error a refusal becomes: a table from the schema, read top to bottom."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple


class RefusalRow(NamedTuple):
    """One row of the table; None matches anything. Source: ``schema/common.yaml``."""

    http: int | None
    code: int | None
    text: str | None
    """Regular expression, searched without regard to case."""
    error: str
    """Name of the class in ``errors``."""
    final: bool
    """True if this refusal proves that nothing happened."""


_compiled = lru_cache(maxsize=None)(re.compile)


def find_refusal(
    table: Sequence[RefusalRow], status: int, code: int | None, text: str
) -> RefusalRow | None:
    """Return the first row that fits, or None if the schema does not know this refusal."""
    for row in table:
        if (
            (row.http is None or row.http == status)
            and (row.code is None or row.code == code)
            and (row.text is None or _compiled(row.text, re.IGNORECASE).search(text))
        ):
            return row
    return None

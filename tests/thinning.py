"""Grids of which every cell is tested once, and a cross-section on every Python."""

from __future__ import annotations

from collections.abc import Iterable

import pytest


def thin(cases: Iterable[object], every: int) -> list[object]:
    """Parameters: the first of ``every`` so many as it is, the others marked ``slow``."""
    return [
        case if number % every == 0 else pytest.param(case, marks=pytest.mark.slow)
        for number, case in enumerate(cases)
    ]

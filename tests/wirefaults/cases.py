"""The table: every fault of the wire and of its answers, and what must become of a call.

``docs/reliability.md`` shows this table; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .answer_rows import REFUSALS, STATUSES, THROTTLES
from .body_rows import BODY
from .field_rows import FIELDS
from .place_rows import PLACES
from .rows import Row
from .wire_rows import CONNECTION, HTTP, REDIRECTS, TIMEOUTS

GROUPS: Final[Mapping[str, tuple[Row, ...]]] = {
    "Before the request": PLACES,
    "The connection": CONNECTION,
    "Time": TIMEOUTS,
    "HTTP": HTTP,
    "Redirects": REDIRECTS,
    "The body": BODY,
    "Statuses": STATUSES,
    "429": THROTTLES,
    "Refusals": REFUSALS,
    "Fields": FIELDS,
}

"""The page that users read says what the tests check."""

from __future__ import annotations

import pytest

from fincard_async._generated.wire import REFUSALS
from fincard_async._sansio.envelope import open_envelope
from fincard_async._sansio.refusals import RefusalRow, find_refusal
from tests.transport.wire import Line

from .answer_rows import REFUSALS as REFUSED, STATUSES, THROTTLES
from .table import PAGE, in_page, render


def test_the_page_shows_this_table() -> None:
    """``python -m tests.wirefaults`` renews it."""
    page = PAGE.read_text("utf-8")
    assert in_page(page, render()) == page


class Heard(Line):
    """Keeps what a client would hear."""

    def __init__(self) -> None:
        self.text = b""

    async def say(self, text: bytes) -> None:
        """Keep it."""
        self.text += text


@pytest.mark.anyio
async def test_every_refusal_of_the_schema_is_met_on_the_wire() -> None:
    """Each row of the schema's table decides at least one case of ours."""
    met: set[RefusalRow | None] = set()
    for row in (*STATUSES, *THROTTLES, *REFUSED):
        heard = Heard()
        await row.spoil(heard, b'{"success":true,"code":200,"data":{}}')
        head, _, body = heard.text.partition(b"\r\n\r\n")
        code, text = None, ""
        if body.startswith(b"{"):
            envelope = open_envelope(body)
            code, text = envelope.number, envelope.text
        met.add(find_refusal(REFUSALS, int(head.split()[1]), code, text))
    assert set(REFUSALS) <= met

"""When the lean way is taken, and what is said where it is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from fincard_async import BearerToken, FincardClient
from fincard_async._transports import choice
from fincard_async.testing import ScriptedTransport

SESSION = "FincardClient(SessionTransport: "


@pytest.fixture(autouse=True)
def looked_afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The self-check is made once per process; here, once per test."""
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    choice.missing.cache_clear()
    yield
    choice.missing.cache_clear()


def client(**settings: Any) -> str:
    """What a client with these settings says of itself."""
    return repr(
        FincardClient(
            base_url="https://sandbox.example", auth=BearerToken("t"), tenant_id="t", **settings
        )
    )


def test_with_everything_installed_it_is_taken() -> None:
    """The contract with this aiohttp and this httptools holds."""
    pytest.importorskip("httptools")
    assert choice.missing() is None
    assert client() == "FincardClient(LeanTransport)"


def test_without_the_extra_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "httptools", None)
    for name in ("reply", "line", "pool", "lean"):
        monkeypatch.delitem(sys.modules, f"fincard_async._transports.{name}", raising=False)
    assert client() == SESSION + "httptools is not installed (extra speedups))"


def _fewer(self: object, req: object, timeout: object) -> None: ...
def _more(self: object, req: object, traces: object, timeout: object, more: object) -> None: ...


@pytest.mark.parametrize("changed", [_fewer, _more])
def test_another_aiohttp_is_not_trusted(monkeypatch: pytest.MonkeyPatch, changed: object) -> None:
    """A function with other parameters than those that were proven."""
    pytest.importorskip("httptools")
    monkeypatch.setattr(aiohttp.TCPConnector, "connect", changed)
    version = aiohttp.__version__
    assert client() == SESSION + f"aiohttp {version} has another TCPConnector.connect)"


def test_another_parser_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that forgives what it should refuse."""
    httptools = pytest.importorskip("httptools")
    reply = pytest.importorskip("fincard_async._transports.reply")

    class Lenient(httptools.HttpResponseParser):  # type: ignore[misc,name-defined]  # no static type
        def __init__(self, protocol: object) -> None:
            super().__init__(protocol)
            self.set_dangerous_leniencies(
                lenient_headers=True,
                lenient_chunked_length=True,
                lenient_optional_cr_before_lf=True,
                lenient_optional_lf_after_cr=True,
            )

    monkeypatch.setattr(reply, "HttpResponseParser", Lenient)
    assert client() == SESSION + "the parser reads what it should refuse)"


def test_what_is_unusual_goes_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy, and the variable for a case of support."""
    assert client(proxy="http://127.0.0.1:1") == SESSION + "a proxy was given)"
    monkeypatch.setenv(choice.VARIABLE, "session")
    assert client() == SESSION + "FINCARD_TRANSPORT=session)"


@pytest.mark.anyio
async def test_a_session_of_the_callers_own_is_used() -> None:
    """With whatever it does to requests."""
    async with aiohttp.ClientSession() as session:
        assert client(session=session) == SESSION + "a session was given)"


def test_a_transport_of_the_callers_own_is_named() -> None:
    """It needs no reason."""
    assert client(transport=ScriptedTransport([])) == "FincardClient(ScriptedTransport)"

"""``fincard doctor``: each fault is found where it is, and no money moves."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from click.testing import CliRunner, Result

from fincard_async.cli.app import app

from .processes import Served


def doctor(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> Result:
    """Run the checks with these settings."""
    for name, text in settings.items():
        monkeypatch.setenv(name, text)
    return CliRunner().invoke(app, ["doctor"], catch_exceptions=False)


def found(result: Result) -> dict[str, str]:
    """Verdict by check."""
    lines = [line for line in result.stdout.splitlines() if line[0] != " "]
    return {line[8:20].strip(): line[:8].strip() for line in lines}


def test_all_is_well(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """With right settings every check is ok, and no password is shown."""
    before = server.control("ledger")
    result = doctor(monkeypatch, server.settings)
    assert result.exit_code == 0, result.output
    assert set(found(result).values()) == {"ok"}
    assert list(found(result)) == [
        "settings",
        "card key",
        "connection",
        "login",
        "card types",
        "queries",
        "clock",
    ]
    assert "sandbox-password" not in result.output
    assert server.control("ledger") == before


@pytest.mark.parametrize(
    ("changed", "check", "word"),
    [
        ({"FINCARD_BASE_URL": ""}, "settings", "FINCARD_BASE_URL"),
        ({"FINCARD_BASE_URL": "http://api.example.com"}, "settings", "https"),
        ({"FINCARD_BASE_URL": "http://127.0.0.1:9"}, "connection", "FINCARD_BASE_URL"),
        ({"FINCARD_PASSWORD": "canary"}, "login", "credentials"),
        ({"FINCARD_TENANT_ID": "other"}, "login", "tenant"),
        ({"FINCARD_CARD_KEY": "/does/not/exist"}, "card key", "cannot be read"),
    ],
)
def test_faults(
    server: Served,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    check: str,
    word: str,
) -> None:
    """A fault fails its own check, says what to do, and ends with exit code 1."""
    result = doctor(monkeypatch, {**server.settings, **changed})
    assert result.exit_code == 1
    assert [name for name, verdict in found(result).items() if verdict == "FAILED"] == [check]
    assert word in result.stdout
    assert "`fincard doctor`" not in result.stdout
    assert "canary" not in result.output


def test_no_key_is_no_fault(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most work needs no card key."""
    result = doctor(monkeypatch, {**server.settings, "FINCARD_CARD_KEY": ""})
    assert result.exit_code == 0
    assert "sealed values stay sealed" in result.stdout


class _Wall(BaseHTTPRequestHandler):
    """Refuses every call, at a date of the test's choice."""

    date: str | None = None

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"success": false, "code": 403, "msg": "no", "data": null}'
        self.send_response_only(403)
        if self.date is not None:
            self.send_header("Date", self.date)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@pytest.mark.parametrize(
    ("date", "fact"),
    [
        ("Thu, 01 Jan 2026 00:00:00 GMT", "seconds ahead of the server's"),
        ("Fri, 01 Jan 2100 00:00:00 GMT", "seconds behind the server's"),
        ("yesterday", ""),
        (None, ""),
    ],
)
def test_the_clock(monkeypatch: pytest.MonkeyPatch, date: str | None, fact: str) -> None:
    """A clock that is far off is told by the server's date, even when nothing else works."""
    handler = type("Handler", (_Wall,), {"date": date})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        settings = {
            "FINCARD_BASE_URL": f"http://127.0.0.1:{server.server_port}",
            "FINCARD_TENANT_ID": "t",
            "FINCARD_TOKEN": "x",
        }
        result = doctor(monkeypatch, settings)
        server.shutdown()
        thread.join()
    assert result.exit_code == 1
    assert found(result)["card types"] == "FAILED"
    assert found(result).get("clock", "") == ("FAILED" if fact else "")
    assert fact in result.stdout

"""``fincard webhooks``: a saved delivery is checked, and a sandbox's deliveries are printed."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from fincard_async import FincardClient
from fincard_async._crypto.sealing import seal
from fincard_async.testing import platform_key, sandbox_key, sign_webhook
from fincard_async.webhooks import OperationEvent, WebhookVerifier, ack
from tests.webhooks.kit import OPERATION, sample

from .kit import Cli
from .processes import command, environment, pipe, served


class Saved:
    """A delivery in files."""

    def __init__(self, folder: Path, payload: object) -> None:
        headers, body = sign_webhook(payload, request_id="delivery-1")
        self.signature = next(iter(headers.values()))
        self.body, self.headers, self.key = (
            folder / name for name in ("body.json", "headers.txt", "platform.pem")
        )
        self.body.write_bytes(body)
        self.headers.write_text("".join(f"{name}: {text}\n" for name, text in headers.items()))
        self.key.write_text(platform_key().public_key().pem())

    def args(self, *more: str) -> tuple[str, ...]:
        """Arguments of the command."""
        return ("webhooks", "verify", str(self.body), "--key", str(self.key), *more)


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """A good delivery of an operation."""
    return Saved(tmp_path, sample(OPERATION))


def test_a_good_delivery_is_printed(cli: Cli, saved: Saved) -> None:
    """By its signature or by all its headers, as one record."""
    ways = (("--signature", saved.signature), ("--headers", str(saved.headers)))
    rows = [cli.rows(*saved.args(*more))[0] for more in ways]
    for row in rows:
        assert (row["category"], row["status"]) == (OPERATION, "success")
        assert row["data"]["amount"] == "50"
    assert [row.get("event_id") for row in rows] == [None, "delivery-1"]
    (row,) = cli.rows(*saved.args("--signature", saved.signature, "--category", "card_lottery"))
    assert row["fields"] == sorted(sample(OPERATION))


def test_a_bad_delivery_is_an_error(cli: Cli, saved: Saved) -> None:
    """Exit code 1 for a wrong signature and for a body that cannot be read."""
    saved.body.write_bytes(saved.body.read_bytes() + b"\n")
    result = cli.run(*saved.args("--signature", saved.signature))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "not signed by the platform" in result.stderr
    headers, body = sign_webhook(b"[]")
    saved.body.write_bytes(body)
    result = cli.run(*saved.args("--signature", next(iter(headers.values()))))
    assert result.exit_code == 1
    assert "no JSON object" in result.stderr


@pytest.mark.parametrize("more", [(), ("--signature", "x", "--headers", "HEADERS")])
def test_wrong_usage(more: tuple[str, ...], cli: Cli, saved: Saved) -> None:
    """Exactly one source of the signature; exit code 2 as everywhere."""
    args = [str(saved.headers) if text == "HEADERS" else text for text in more]
    assert cli.run(*saved.args(*args)).exit_code == 2
    without = ["webhooks", "verify", str(saved.body), "--signature", "x"]
    result = cli.run(*without)
    assert result.exit_code == 2
    assert "FINCARD_WEBHOOK_KEY is not set" in result.stderr


def test_secrets_need_a_terminal(cli: Cli, saved: Saved) -> None:
    """A pipe may end in a file, so nothing is revealed into one."""
    result = cli.run("webhooks", "listen", "--key", str(saved.key), "--reveal")
    assert result.exit_code == 2
    assert "on a terminal only" in result.stderr


def test_a_webhook_url_of_another_machine_is_refused(cli: Cli) -> None:
    """The sandbox posts to this machine, unless it is told that it may leave it."""
    for url, why in (("http://192.0.2.1/", "on this machine"), ("ftp://127.0.0.1/", "http or")):
        result = cli.run("sandbox", "--port", "0", "--webhook-url", url)
        assert result.exit_code == 2
        assert why in result.stderr


def post(url: str, payload: object, category: str) -> None:
    """Deliver a signed webhook, as the platform does."""
    headers, body = sign_webhook(payload, category=category)
    request = urllib.request.Request(url, body, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        assert json.load(answer)["success"] is True


@contextmanager
def listening(tmp_path: Path, *more: str, stdout: int) -> Generator[tuple[Any, str]]:
    """A running ``fincard webhooks listen`` and its URL; it ends well at the end."""
    key, own = tmp_path / "platform.pem", tmp_path / "merchant.pem"
    key.write_text(platform_key().public_key().pem())
    own.touch(0o600)
    own.write_text(sandbox_key().pem().reveal())
    with subprocess.Popen(
        command("webhooks", "listen", "--port", "0", "--key", str(key), *more),
        env=environment({"FINCARD_CARD_KEY": str(own)}),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process, pipe(process.stderr).readline().split()[2].rstrip(";")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


def code(text: str) -> dict[str, Any]:
    """A one-time code, sealed for the merchant."""
    sealed = seal(sandbox_key().public_key(), text)
    return sample("card_3ds", type="third_3ds_otp", values=sealed)


@pytest.mark.slow
def test_events_become_lines(tmp_path: Path) -> None:
    """In a pipe each event is one JSON object, and a code in it stays sealed."""
    with listening(tmp_path, stdout=subprocess.PIPE) as (process, url):
        post(url, sample(OPERATION), OPERATION)
        post(url, code("864209"), "card_3ds")
        post(url, {"hello": 1}, "card_lottery")
        rows = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert [row["category"] for row in rows] == [OPERATION, "card_3ds", "card_lottery"]
    assert (rows[0]["status"], rows[0]["data"]["amount"]) == ("success", "50")
    assert rows[1]["data"]["values"] == "sealed"
    assert rows[2]["fields"] == ["hello"]


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--reveal",)])
def test_a_terminal_may_show_codes(more: tuple[str, ...], tmp_path: Path) -> None:
    """On a terminal there is a line for people, and with --reveal the code in it."""
    ours, theirs = pty.openpty()
    with listening(tmp_path, *more, stdout=theirs) as (_, url):
        os.close(theirs)
        post(url, sample(OPERATION), OPERATION)
        post(url, code("864209"), "card_3ds")
        post(url, code("no code at all"), "card_3ds")
        post(url, {"hello": 1}, "card_lottery")
        text = ""
        while "hello" not in text:
            text += os.read(ours, 4096).decode()
    os.close(ours)
    assert "card_transaction  1995300000000000101/create  success  type=create  amount=50" in text
    assert "card_lottery  unknown; fields: hello" in text
    assert ("864209" in text, "cannot be opened" in text) == (bool(more), bool(more))


@pytest.mark.slow
def test_a_sandbox_posts_webhooks(tmp_path: Path) -> None:
    """What a client does in the sandbox arrives signed at the URL, and verifies with the key that
    the sandbox names.
    """
    came: list[tuple[dict[str, str], bytes]] = []

    class Merchant(BaseHTTPRequestHandler):
        """Keeps what comes, and acknowledges it."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((dict(self.headers.items()), body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(ack().body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Merchant)
    threading.Thread(target=server.handle_request, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    state = str(tmp_path / "s")
    with served("--state", state, "--latency-ms", "0", "--webhook-url", url) as running:
        settings = running.settings

        async def order() -> str | None:
            async with FincardClient.from_env(settings) as client:
                return (await client.cards.open(card_type_id=111001, amount="50")).card_no

        card_no = anyio.run(order)
        while not came:
            threading.Event().wait(0.01)
    server.server_close()
    event = WebhookVerifier.from_env(environ=settings).verify(*came[0])
    assert isinstance(event, OperationEvent)
    assert event.card_no == card_no

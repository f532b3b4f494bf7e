"""``fincard balances --watch``: what it prints, and what it shows on a terminal."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from rich.console import Console

from fincard_async._generated.models.cards import CardBalance
from fincard_async.cli.watching import Board, part_of, sparkline
from fincard_async.watch import BalanceChange, WatchStats

from .kit import Cli


def balance(card_no: str, amount: str) -> CardBalance:
    """A balance in USD."""
    return CardBalance(card_no=card_no, amount=Decimal(amount), currency="USD")


def changed(card_no: str, before: str | None, after: str) -> BalanceChange:
    """A change, or a first value."""
    return BalanceChange(
        card_no=card_no,
        kind="changed",
        balance=balance(card_no, after),
        previous=None if before is None else balance(card_no, before),
        observed_at=1_767_225_600.0,
    )


def stats(**values: float) -> WatchStats:
    """Numbers of a watch, mostly nothing."""
    usual = {
        "cards": 100_000,
        "reads": 0,
        "changes": 0,
        "errors": 0,
        "discarded": 0,
        "failing": 0,
        "in_flight": 0,
        "waiting": 0,
        "interval": 60.0,
        "achieved_interval": 0.0,
        "behind": 0.0,
        "rate_limit": 0.0,
    }
    return WatchStats(**{**usual, **values})  # type: ignore[arg-type]  # counts are whole numbers here


def shown(board: Board, numbers: WatchStats, width: int) -> list[str]:
    """The picture as lines of text."""
    screen = Console(width=width, record=True, force_terminal=False, color_system=None)
    with screen.capture() as text:
        screen.print(board.picture(numbers))
    return text.get().splitlines()


def test_a_pipe_gets_a_line_for_each_change(cli: Cli, tmp_path: Path) -> None:
    """First values, flat and exact, with the time at which they were seen."""
    card_no = cli.open_card()
    file = tmp_path / "cards.txt"
    file.write_text(f"{card_no}\nNO-SUCH-CARD\n")
    result = cli.run("balances", str(file), "--watch", "--interval", "0.2", "--for", "1.5")
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    first = next(line for line in lines if line["card_no"] == card_no)
    assert (first["kind"], first["currency"]) == ("changed", "USD")
    assert Decimal(first["amount"]) > 0
    assert first["observed_at"].endswith("+00:00")
    [failing] = [line for line in lines if line["card_no"] == "NO-SUCH-CARD"]
    assert failing["kind"] == "failing"
    assert "not found" in failing["error"]
    assert "watched 2 cards" in result.stderr


def test_shards_share_the_file() -> None:
    """Every card is in exactly one part."""
    cards = [f"FC{number}" for number in range(1000)]
    parts = [part_of(cards, (which, 3)) for which in (1, 2, 3)]
    assert sorted(card for part in parts for card in part) == sorted(cards)
    assert all(250 < len(part) < 420 for part in parts)
    assert part_of(cards, None) == cards


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_a_shard_that_is_none(cli: Cli, tmp_path: Path, shard: str) -> None:
    """The message shows how to write one."""
    file = tmp_path / "cards.txt"
    file.write_text("FC1\n")
    result = cli.run("balances", str(file), "--shard", shard)
    assert result.exit_code == 2
    assert "such as 2/8" in result.stderr


def test_the_picture_shows_who_moved_most() -> None:
    """From the first value that was known, the largest movement first, whatever its sign."""
    time = iter([0.0, 1.0, 2.0])
    board = Board(clock=lambda: next(time))
    board.add(changed("A", None, "10"))
    board.add(changed("A", "10", "12"))
    board.add(changed("A", "12", "15"))
    board.add(changed("B", "100", "40.50"))
    board.draw(stats(reads=0))
    board.draw(stats(reads=1500))
    lines = shown(board, stats(changes=3, achieved_interval=61.5), 100)
    assert lines[0].startswith("100,000 cards  every 60 s, achieved 61.5 s  1,500 reads/s")
    assert "changes 3" in lines[1]
    assert [line.split()[:3] for line in lines[3:]] == [
        ["B", "-59.50", "40.50"],
        ["A", "+5", "15"],
    ]


def test_the_picture_says_when_the_interval_cannot_be_kept() -> None:
    """And what helps."""
    lines = shown(Board(), stats(achieved_interval=120.0, failing=3, errors=9), 100)
    assert "failing 3" in lines[1]
    assert "cannot be kept" in lines[2]


@pytest.mark.parametrize("width", [40, 60])
def test_the_picture_fits_a_narrow_window(width: int) -> None:
    """No line is broken."""
    board = Board()
    board.add(changed("WB1234567890123456789012", "10", "12"))
    lines = shown(board, stats(reads=10, achieved_interval=61.5), width)
    assert len(lines) == 4
    assert all(len(line) <= width for line in lines)


def test_foreign_text_does_not_steer_the_terminal() -> None:
    """Ids and currencies come from a file and a server."""
    board = Board()
    board.add(changed("A\x1b[2J", "1", "2"))
    assert "\x1b" not in "".join(shown(board, stats(), 80))


def test_bars() -> None:
    """As high as their share of the highest."""
    assert sparkline([0, 50, 100]) == "▁▅█"
    assert sparkline([]) == sparkline([0.0]) == ""

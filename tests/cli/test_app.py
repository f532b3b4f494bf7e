"""The command as a whole: help, version, errors and exit codes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

import click
from click.testing import CliRunner

from fincard_async import FincardClient, __version__, errors
from fincard_async.cli import advice
from fincard_async.cli.app import SECTIONS, app
from fincard_async.cli.settings import Setup, run

from .kit import Cli
from .processes import environment, finish


def every_command() -> Iterator[tuple[str, ...]]:
    """The path of each command and group."""
    with click.Context(app) as ctx:
        for name in app.list_commands(ctx):
            yield (name,)
            group = app.get_command(ctx, name)
            if isinstance(group, click.Group):
                for inner in group.list_commands(ctx):
                    yield (name, inner)


@pytest.mark.parametrize("path", [(), *every_command()], ids=" ".join)
def test_help_is_readable(path: tuple[str, ...]) -> None:
    """Every command says what it does, in lines that fit a small window, and explains options."""
    result = CliRunner().invoke(app, [*path, "--help"], terminal_width=78)
    assert result.exit_code == 0
    assert max(len(line) for line in result.output.splitlines()) <= 80
    described = result.output.split("\n\n")[1].strip()
    assert described[0].isupper()
    with click.Context(app) as ctx:
        found: click.Command | None = app
        for name in path:
            assert isinstance(found, click.Group)
            found = found.get_command(ctx, name)
        assert found is not None
        options = [param for param in found.params if isinstance(param, click.Option)]
        assert all(option.help for option in options)


def test_help_has_every_command_under_a_heading() -> None:
    """What a newcomer tries stands first, no command is left out, and no line is cut off."""
    text = CliRunner().invoke(app, ["--help"], terminal_width=80).output
    assert text.index("Try it:") < text.index("demo  ") < text.index("Many cards:")
    assert set(app.commands) == {
        command.name for commands in SECTIONS.values() for command in commands
    }
    assert all(f"\n  {name} " in text for name in app.commands)
    assert "..." not in text.partition("Try it:")[2]


def test_help_documents_exit_codes() -> None:
    """All exit codes are in the help."""
    text = CliRunner().invoke(app, ["--help"]).output
    for code in ("0", "1", "2", "3", "4", "5", "6", "7"):
        assert f"\n    {code}  " in text


def test_version() -> None:
    """The version is the package's."""
    assert __version__ in CliRunner().invoke(app, ["--version"]).output


def test_missing_settings_name_the_variable() -> None:
    """Without settings nothing is sent, and the first missing variable is named."""
    result = CliRunner().invoke(app, ["cards", "list-types"])
    assert result.exit_code == 2
    assert "error: FINCARD_BASE_URL is not set" in result.stderr
    assert "fincard doctor" in result.stderr


def test_a_profile_that_is_not_there() -> None:
    """A wrong --profile names the file it was looked for in."""
    result = CliRunner().invoke(app, ["--profile", "prod", "cards", "list-types"])
    assert result.exit_code == 2
    assert "config.toml" in result.stderr


def test_plain_http_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials never leave this machine over plain http."""
    for name in ("TENANT_ID", "TOKEN"):
        monkeypatch.setenv(f"FINCARD_{name}", "x")
    monkeypatch.setenv("FINCARD_BASE_URL", "http://api.example.com")
    result = CliRunner().invoke(app, ["cards", "list-types"])
    assert result.exit_code == 2
    assert "https" in result.stderr


@pytest.mark.slow
def test_an_unreachable_server(tmp_path: Path) -> None:
    """A server that is not there is an error without a traceback."""
    settings = {
        "FINCARD_BASE_URL": "http://127.0.0.1:9",
        "FINCARD_TENANT_ID": "t",
        "FINCARD_TOKEN": "canary-token",
    }
    done = finish(["cards", "get-balance", "FC1"], cwd=tmp_path, settings=settings)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert "canary-token" not in done.stderr


def all_errors(kind: type[errors.FincardError]) -> Iterator[type[errors.FincardError]]:
    """The tree of errors."""
    yield kind
    for sub in kind.__subclasses__():
        yield from all_errors(sub)


def name_of(kind: type[errors.FincardError]) -> str:
    """Tests come in the order of the names."""
    return kind.__name__


KINDS = sorted(set(all_errors(errors.FincardError)), key=name_of)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_advice(kind: type[errors.FincardError]) -> None:
    """Each error says in one line what to do, and wrong usage has its own exit code."""
    error = kind.__new__(kind)
    errors.FincardError.__init__(error, "something", order_no="A" * 32)
    if isinstance(error, errors.ApiError):
        error.final = True
    text = advice.advice(error)
    assert text
    assert "\n" not in text
    assert "{" not in text
    assert advice.exit_code(error) == (2 if issubclass(kind, errors.UsageError) else 1)


@pytest.mark.parametrize("kind", [errors.OutcomeUnknown, errors.DuplicateOrder])
def test_an_unknown_outcome_names_the_query(kind: type[errors.FincardError]) -> None:
    """When money may have moved, the advice is the very query that tells."""
    error = kind("lost")
    error.order_no = "ORDER"
    assert "transactions operations --merchant-order-no ORDER" in advice.advice(error)


@pytest.mark.parametrize("kind", [errors.OutcomeUnknown, errors.DuplicateOrder])
def test_an_unknown_outcome_without_a_query(kind: type[errors.FincardError]) -> None:
    """No query knows a transfer by its number, so none is named."""
    error = kind("lost")
    error.operation, error.order_no = "accounts.transfer", "ORDER"
    assert "compare the balances" in advice.advice(error)
    assert "--merchant-order-no" not in advice.advice(error)


def test_a_refusal_that_proves_nothing() -> None:
    """A refusal that is not final is not called harmless."""
    error = errors.ServerError("oops")
    error.order_no = "ORDER"
    assert "may have happened" in advice.advice(error)


def test_of_several_errors_ours_is_shown() -> None:
    """Out of a group of errors, the one that says what is wrong comes out alone."""

    async def fail() -> None:
        inner = ExceptionGroup("inner", [KeyError("x"), errors.ConfigError("FINCARD_X is wrong")])
        raise ExceptionGroup("outer", [ValueError("y"), inner])

    with pytest.raises(errors.ConfigError, match="FINCARD_X"):
        run(fail)


def test_of_several_foreign_errors_the_first_is_raised() -> None:
    """A bug stays a bug."""

    async def fail() -> None:
        raise ExceptionGroup("outer", [ValueError("y"), KeyError("x")])

    with pytest.raises(ValueError, match="y"):
        run(fail)


def test_a_file_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    """An error of the file system names the file."""
    result = cli.run("demo", "--dir", str(tmp_path / ("x" * 300)))
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "xxx" in result.stderr


def test_control_characters_of_the_server_are_not_printed() -> None:
    """What the server says cannot steer the terminal."""

    def fail(_: str | None) -> FincardClient:
        raise errors.InvalidRequest("no\x1b[2J\x9bway")

    result = CliRunner().invoke(app, ["cards", "get", "FC1"], obj=Setup(connect=fail))
    assert result.exit_code == 1
    assert "\x1b" not in result.stderr
    assert "\x9b" not in result.stderr


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra(missing: str, tmp_path: Path) -> None:
    """Without click or rich the command says what to install."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None; from fincard_async.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"needs {missing}" in done.stderr
    assert 'pip install "fincard-async[cli]"' in done.stderr


@pytest.mark.slow
def test_a_broken_installation_is_not_hidden(tmp_path: Path) -> None:
    """Another missing module is an error of its own, not a missing extra."""
    code = "import sys; sys.modules['msgspec'] = None; from fincard_async.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "pip install" not in done.stderr
    assert "msgspec" in done.stderr

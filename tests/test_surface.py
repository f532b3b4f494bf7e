"""What the package exports, and what importing it costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import fincard_async
from fincard_async import errors

PACKAGE = Path(fincard_async.__file__).parent
BELOW_THE_FACE = (
    "_crypto",
    "_generated",
    "_runtime",
    "_sansio",
    "_transports",
    "sandbox",
    "errors.py",
)


def _public_modules() -> list[str]:
    """Modules whose path has no underscored part; those of the command line need its extra."""
    found = (
        module.name for module in pkgutil.walk_packages(fincard_async.__path__, "fincard_async.")
    )
    return [
        "fincard_async",
        *(
            name
            for name in found
            if "._" not in name
            and not name.startswith(
                ("fincard_async.cli", "fincard_async.bulk.", "fincard_async.exports.")
            )
        ),
    ]


@pytest.mark.parametrize("name", _public_modules())
def test_exports_exist(name: str) -> None:
    """Every name in ``__all__`` exists, stands there once and has no leading underscore."""
    module = importlib.import_module(name)
    exported: list[str] = getattr(module, "__all__", [])
    assert len(exported) == len(set(exported))
    for export in exported:
        assert hasattr(module, export)
        assert export == "__version__" or not export.startswith("_")


def test_dir_is_what_is_exported() -> None:
    """``dir(fincard_async)``, which editors complete from, offers exactly the public names."""
    assert sorted(dir(fincard_async)) == sorted(fincard_async.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name fails as in any module."""
    with pytest.raises(AttributeError, match="FinCardClient"):
        getattr(fincard_async, "FinCardClient")  # noqa: B009 - the name is wrong on purpose


def test_version_is_written_once() -> None:
    """The installed distribution and the package tell the same version."""
    try:
        installed = version("fincard-async")
    except PackageNotFoundError:
        pytest.skip("the package is not installed")
    assert installed == fincard_async.__version__


def test_every_error_stands_in_the_tree() -> None:
    """The tree at the top of ``errors`` names every class of it."""
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        assert issubclass(kind, errors.FincardError), name
        assert name in (errors.__doc__ or "")


@pytest.mark.parametrize(
    "package",
    ["aiohttp", "cryptography", "click", "rich", "sqlite3", "codegen", "fincard_async.sandbox"],
)
def test_import_is_light(package: str, loaded: set[str]) -> None:
    """``import fincard_async`` loads nothing that many of its users do not need."""
    assert package not in loaded


MOST_MODULES = 47
"""Modules of our own that ``import fincard_async`` loads: each costs about half a millisecond."""
MOST_WITH_A_CLIENT = 61
"""The same with a client made, its way chosen and its first resource touched."""
FOREIGN = {"anyio", "msgspec", "sniffio", "typing_extensions"}


def test_import_keeps_its_budget(loaded: set[str]) -> None:
    """What a call does not need is imported when it is used: resources, settings, extras, keys."""
    own = {name for name in loaded if name.partition(".")[0] == "fincard_async"}
    assert len(own) <= MOST_MODULES
    late = {"resources", "models", "cards", "commands", "handlers", "session", "lean", "config"}
    late |= {"settlement", "paging", "paginator"}
    assert [name for name in own if late & set(name.split("."))] == []
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert {name for name in foreign if not name.startswith("_")} <= {*FOREIGN, "fincard_async"}


@pytest.mark.parametrize("way", ["", "session"])
def test_a_client_keeps_its_budget(way: str) -> None:
    """A client with a token of the caller's loads no login, and only the way that it goes."""
    made = "FincardClient(base_url='https://a.example', auth=BearerToken('t'), tenant_id='t').cards"
    loaded = loaded_by(f"from fincard_async import FincardClient, BearerToken; {made}", way)
    own = {name for name in loaded if name.partition(".")[0] == "fincard_async"}
    assert len(own) <= MOST_WITH_A_CLIENT
    late = {"settlement", "paging", "paginator", "accounts", "transactions", "auth"}
    assert {name for name in own if late & set(name.split("."))} <= {"fincard_async._runtime.auth"}
    assert not {"session", "lean"} <= {name.rpartition(".")[2] for name in own}
    assert "anyio.lowlevel" not in loaded


def test_what_settles_an_outcome_is_there_before_anything_is_sent() -> None:
    """A process out of files can import nothing: that must not hide that the outcome is unknown."""
    path = Path(__file__).parent / "out_of_files.py"
    run = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout == "OutcomeUnknown\n"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """What ``import fincard_async`` loads beside what a fresh interpreter has already."""
    return loaded_by("import fincard_async")


def loaded_by(code: str, way: str = "") -> set[str]:
    """Modules that this code loads in a fresh interpreter."""
    # A coverage tool that starts with the interpreter loads modules of its own.
    code = f"import sys; had = set(sys.modules); {code}; print(*sys.modules.keys() - had)"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        env={**os.environ, "FINCARD_TRANSPORT": way},
    )
    return set(run.stdout.split())


def _face_imports(path: Path) -> Iterator[str]:
    """Names that a file imports from the package's face instead of from a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "fincard_async":
            for alias in node.names:
                stem = PACKAGE / alias.name
                if not stem.is_dir() and not stem.with_suffix(".py").exists():
                    yield alias.name


@pytest.mark.parametrize("place", BELOW_THE_FACE)
def test_nothing_below_imports_the_face(place: str) -> None:
    """The layers below the client never import from ``fincard_async`` itself."""
    root = PACKAGE / place
    files = [root] if root.suffix else sorted(root.rglob("*.py"))
    assert files
    assert [
        (file.name, list(_face_imports(file))) for file in files if any(_face_imports(file))
    ] == []

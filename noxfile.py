"""The checks of the project. Plain ``nox`` runs what a change needs; ``nox --list`` names the rest.

Needs nothing but nox, which brings its own way to make virtual environments. Each session installs
the exact versions of ``requirements/``, verified by hash; ``nox -s lock`` renews those files from
``pyproject.toml``.
"""

from __future__ import annotations

import glob
import os
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import nox
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHONS = ["3.11", "3.12", "3.13"]


class Lock(NamedTuple):
    """What one file of ``requirements/`` holds, exactly pinned."""

    groups: tuple[str, ...]
    extras: tuple[str, ...] | None = None
    """Extras of the package, whose own dependencies are then included; None for tools alone."""


LOCKS = {
    "codegen": Lock(("codegen",)),
    "lint": Lock(("lint",)),
    "layers": Lock(("layers",)),
    "build": Lock(("build",)),
    "docs": Lock(("docs", "backend"), ("cli",)),
    "tests-none": Lock(("test", "backend"), ()),
    "tests-all": Lock(("test", "test-extras", "codegen", "coverage", "backend"), ("all",)),
    "bench": Lock(("bench", "backend"), ("all",)),
    "typing": Lock(("typing", "backend"), ("all",)),
}

nox.needs_version = ">=2025.11.12"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"
nox.options.sessions = [
    "codegen-check",
    "lint",
    "layers",
    "typing",
    "tests-3.11(extras='none')",
    "coverage",  # is tests-3.11(extras='all'), measured
    "tests-3.13(extras='all')",  # the newest; `nox -s tests` runs those between as well
    "faults",
    "docs",
    "build",
]


def _find_pyenv_pythons() -> None:
    """Put pyenv's interpreters last on the path; its shims work for the selected version only."""
    root = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    found = [
        folder
        for version in PYTHONS
        for folder in sorted(glob.glob(f"{root}/versions/{version}.*/bin"))
    ]
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *found])


_find_pyenv_pythons()


def install(session: nox.Session, lock: str) -> None:
    """Install a lock file and, where it is made for the package, the package in editable form."""
    session.install("--no-deps", "--require-hashes", "-r", f"requirements/{lock}.txt")
    if LOCKS[lock].extras is not None:
        session.install("--no-deps", "--no-build-isolation", "--editable", ".")


@nox.session
def codegen(session: nox.Session) -> None:
    """Write fincard_async/_generated/ from schema/; with ``-- --check`` only compare."""
    install(session, "codegen")
    session.run("python", "-m", "codegen", *session.posargs)


@nox.session(name="codegen-check")
def codegen_check(session: nox.Session) -> None:
    """Fail if fincard_async/_generated/ is not exactly what schema/ gives."""
    install(session, "codegen")
    session.run("python", "-m", "codegen", "--check")


@nox.session
def lint(session: nox.Session) -> None:
    """Rules and formatting; with ``-- --fix`` mend what can be mended."""
    install(session, "lint")
    if "--fix" in session.posargs:
        session.run("ruff", "check", "--fix")
        session.run("ruff", "format")
        return
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("towncrier", "build", "--draft", "--version", "next", silent=True)
    _check_locks(session)


@nox.session
def layers(session: nox.Session) -> None:
    """Who may import whom: the contracts in pyproject.toml."""
    install(session, "layers")
    session.run("lint-imports", env={"PYTHONPATH": "."})


@nox.session
def typing(session: nox.Session) -> None:
    """Two type checkers, strict, over the package, the compiler, the tests and this file."""
    install(session, "typing")
    session.run("mypy")
    session.run("basedpyright")


@nox.session(python=PYTHONS)
@nox.parametrize("extras", ["none", "all"])
def tests(session: nox.Session, extras: str) -> None:
    """The tests, with the core dependencies alone and with every extra.

    Slow tests run once, on the oldest Python with everything installed.
    """
    install(session, f"tests-{extras}")
    once = (session.python, extras) == ("3.11", "all")
    _pytest(session, "-m", "not faults" if once else "not slow and not faults")


@nox.session
def coverage(session: nox.Session) -> None:
    """All tests on one Python, with the branch coverage of the hand-written code: 95 % or more."""
    install(session, "tests-all")
    session.run("coverage", "erase")
    _pytest(session, "-m", "not faults", "--cov", "--cov-report=")
    session.run("coverage", "report", "--fail-under=95")


@nox.session
def faults(session: nox.Session) -> None:
    """Money is never lost and never doubled: every fault, thousands of seeds, overload."""
    install(session, "tests-all")
    _pytest(session, "-m", "faults")


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Plant seeded bugs one by one; each must be caught. With ``-- words`` only those."""
    install(session, "tests-all")
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Client CPU beside bare aiohttp and other SDKs, as one table; docs/performance.md explains."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session(default=False)
def crash(session: nox.Session) -> None:
    """Kill bulk jobs again and again, and ask the ledger; with ``-- --runs 20000`` for a night."""
    install(session, "tests-all")
    session.run("python", "-m", "tests.crash", *(session.posargs or ["--runs", "600"]))


def _pytest(session: nox.Session, *args: str) -> None:
    posargs = session.posargs or ["-n", "2", "--dist", "worksteal"]
    session.run("python", "-m", "pytest", "-q", "--timeout=300", *args, *posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build wheel and sdist, look inside, install the wheel as a user does and run the demo."""
    install(session, "build")
    out = Path(session.create_tmp()).resolve() / "dist"
    for old in out.glob("*"):
        old.unlink()
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(out), silent=True)
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    session.run("twine", "check", "--strict", str(wheel), str(sdist))
    session.run("check-wheel-contents", str(wheel))
    _check_contents(session, wheel, sdist)

    venv = Path(session.create_tmp()).resolve() / "user"
    session.run(sys.executable, "-m", "venv", "--clear", str(venv), external=True)
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    session.run(*pip, f"{wheel}[cli]", external=True)
    with session.chdir(venv):
        session.run(str(python.with_name("fincard")), "demo", external=True)
        session.run(str(python), "-c", "from fincard_async import FincardClient", external=True)


def _check_contents(session: nox.Session, wheel: Path, sdist: Path) -> None:
    """The wheel holds the typed package and nothing else; the sdist holds what rebuilds it."""
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    tops = {name.partition("/")[0] for name in in_wheel}
    stray = {top for top in tops if top != "fincard_async" and not top.endswith(".dist-info")}
    wanted = ["fincard_async/py.typed", "fincard_async/cli/cards.csv", "fincard_async/_version.py"]
    missing = [name for name in wanted if name not in in_wheel]
    missing += [
        name
        for name in ("LICENSE", "noxfile.py", "schema/cards.yaml", "codegen/__main__.py")
        if name not in in_sdist
    ]
    if stray or missing:
        session.error(f"packages are wrong: stray {sorted(stray)}, missing {missing}")
    session.log(f"wheel: {len(in_wheel)} files, sdist: {len(in_sdist)} entries")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Renew requirements/*.txt; with ``-- --upgrade`` also take newer versions."""
    session.install("uv")
    for name, (groups, extras) in LOCKS.items():
        project = [] if extras is None else ["pyproject.toml"]
        session.run(
            *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
            *("--generate-hashes", "--no-emit-package", "fincard-async", *session.posargs),
            *("--output-file", f"requirements/{name}.txt", *project),
            *(option for group in groups for option in ("--group", group)),
            *(option for extra in extras or () for option in ("--extra", extra)),
            env={"UV_CUSTOM_COMPILE_COMMAND": "nox -s lock"},
            silent=True,
        )


def _check_locks(session: nox.Session) -> None:
    """Fail if pyproject.toml asks for something that the lock files do not have."""
    pyproject = nox.project.load_toml("pyproject.toml")
    for name, (groups, extras) in LOCKS.items():
        text = Path(f"requirements/{name}.txt").read_text(encoding="utf-8")
        pins = {
            (canonicalize_name(found[1]), found[2])
            for found in re.finditer(r"^([\w.-]+)(?:\[.*\])?==([^\s;]+)", text, re.MULTILINE)
        }
        wanted = [*nox.project.dependency_groups(pyproject, *groups)]
        if extras is not None:
            wanted += pyproject["project"]["dependencies"]
        for requirement in map(Requirement, wanted):
            if not any(
                canonicalize_name(requirement.name) == package and version in requirement.specifier
                for package, version in pins
            ):
                session.error(f"requirements/{name}.txt lacks {requirement}: run nox -s lock")

"""``python -m codegen``: write ``fincard_async/_generated`` from the schema, or ``--check`` it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .build import build
from .check import check
from .load import load
from .nodes import SchemaError
from .render import render
from .write import ForeignFile, drift, write

_ROOT = Path(__file__).resolve().parent.parent


def compile_schema(folder: Path) -> Mapping[str, str]:
    """Every file of the generated package; raises SchemaError if the schema is refused."""
    schema = load(folder)
    check(schema)
    return render(schema, build(schema))


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done or clean, 1 drift, 2 the schema is refused."""
    parser = argparse.ArgumentParser(prog="python -m codegen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--schema", type=Path, default=_ROOT / "schema")
    parser.add_argument("--output", type=Path, default=_ROOT / "fincard_async" / "_generated")
    arguments = parser.parse_args(argv)
    try:
        files = compile_schema(arguments.schema)
    except SchemaError as error:
        print(error, file=sys.stderr)
        print(f"{len(error.mistakes)} mistake(s); nothing was written", file=sys.stderr)
        return 2
    if not arguments.check:
        return _write(arguments.output, files)
    differences = list(drift(arguments.output, files))
    print("\n".join(differences) or f"{len(files)} files are up to date")
    return 1 if differences else 0


def _write(output: Path, files: Mapping[str, str]) -> int:
    try:
        write(output, files)
    except ForeignFile as error:
        print(error, file=sys.stderr)
        return 2
    print(f"wrote {len(files)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())

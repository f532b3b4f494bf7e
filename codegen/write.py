"""Put the rendered package on disk, or say how the disk differs from it."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from .load import path_label


def write(output: Path, files: Mapping[str, str]) -> None:
    """Replace the whole folder."""
    if output.exists():
        shutil.rmtree(output)
    for name, text in files.items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))


def drift(output: Path, files: Mapping[str, str]) -> Iterator[str]:
    """Every difference between the folder and the rendered files, as lines to print."""
    present = _present(output)
    for name in sorted(files.keys() | present.keys()):
        label = path_label(output / name)
        if name not in files:
            yield f"{label}: stale file, nothing in the schema makes it"
        elif name not in present:
            yield f"{label}: missing file"
        elif present[name] != files[name].encode("utf-8"):
            yield from _difference(label, present[name].decode("utf-8", "replace"), files[name])


def _present(output: Path) -> dict[str, bytes]:
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in sorted(output.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _difference(label: str, old: str, new: str) -> Iterator[str]:
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), label, f"{label} (from the schema)", lineterm=""
    )
    yield from lines
    if old.splitlines() == new.splitlines():
        yield f"{label}: differs in its line endings"

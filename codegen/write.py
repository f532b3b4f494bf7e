"""Put the rendered package on disk, or say how the disk differs from it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

from .load import path_label
from .render import MARK


class ForeignFile(Exception):
    """The output folder holds something that this compiler did not make."""


def write(output: Path, files: Mapping[str, str]) -> None:
    """Make the folder hold exactly these files; a file that is right already is left alone.

    Raises:
        ForeignFile: A file to be removed does not begin like a generated one; nothing was written.
    """
    present = _present(output)
    stale = sorted(present.keys() - files.keys())
    for name in stale:
        if not present[name].startswith(MARK.encode()):
            raise ForeignFile(f"{path_label(output / name)} was not generated; move it away")
    for name, text in files.items():
        path, data = output / name, text.encode("utf-8")
        if present.get(name) != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for name in stale:
        (output / name).unlink()


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
    before, after = old.splitlines(), new.splitlines()
    if before == after:
        yield f"{label}: differs in its line endings"
    yield from difflib.unified_diff(before, after, label, f"{label} (from the schema)", lineterm="")

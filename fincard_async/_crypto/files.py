"""Key files: read once, and only if nobody else can have put them there. POSIX only.

Readable by others: a warning, because mounted secrets are often so. Writable by others, or in a
folder where others can exchange it: refused, because then it is their key and not the merchant's.
"""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path


class KeyFileWarning(UserWarning):
    """A private key lies in a file that other users can read."""


def read_private(path: str | os.PathLike[str]) -> bytes | str:
    """The content of a key file, or why it is not taken."""
    place = Path(path)
    try:
        return (_objection(place) if os.name == "posix" else None) or place.read_bytes()
    except OSError as error:
        return f"the key file cannot be read: {error.strerror}"


def _objection(place: Path) -> str | None:
    real = place.resolve(strict=True)
    found = real.stat()
    folders = {place.absolute().parent, real.parent}
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or any(map(_is_open, folders)):
        return "other users can exchange the key file: take their write access away"
    if found.st_uid not in (os.geteuid(), 0):
        return "the key file belongs to another user"
    if found.st_mode & (stat.S_IRGRP | stat.S_IROTH):
        warnings.warn("other users can read the key file: chmod 600", KeyFileWarning, stacklevel=4)
    return None


def _is_open(folder: Path) -> bool:
    """True if everybody can exchange the files of a folder."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX

"""The command line ``fincard``; needs the extra ``cli`` (click and rich)."""

from __future__ import annotations

import sys

_EXTRA = ("click", "rich")


def main() -> None:
    """Run the command line; without click or rich, say what to install and exit with 2."""
    try:
        from .app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(
            f"error: the command line needs {error.name}\n"
            'install it with: pip install "fincard-async[cli]"\n'
        )
        raise SystemExit(2) from None
    app(prog_name="fincard")

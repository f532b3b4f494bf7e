"""PINs that every reading of the seed's rules accepts."""

from __future__ import annotations

import secrets

from fincard_async._sansio.rules import is_strict_pin
from fincard_async._sansio.secret import Secret


def generate_pin() -> Secret:
    """A random PIN for ``cards.activate`` and ``cards.update_pin``.

    Drawn evenly from the 931,380 that keep the rules in their strictest reading, so that no server
    can refuse one. Source: seed, "Update PIN - Rules"; correctness 5, row 15.
    """
    while True:
        pin = f"{secrets.randbelow(10**6):06d}"
        if is_strict_pin(pin):
            return Secret(pin)

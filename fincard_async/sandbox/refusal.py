"""How a handler says no: a business refusal, which travels in HTTP 200 with ``success`` false.

Source: contract 2.2. The texts are those that the table of refusals in ``schema/common.yaml``
tells apart, so that a client meets here the same errors as outside.
"""

from __future__ import annotations

from typing import Final

GENERIC: Final = -1
"""Any business reason; the text says which."""
PARAMETER: Final = 40002
"""An argument that cannot be right, whatever the state of the card."""


class Refusal(Exception):
    """The call is refused and nothing happened."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg


def refuse(msg: str) -> Refusal:
    """A refusal for a business reason."""
    return Refusal(GENERIC, msg)


def bad_parameter(field: str, why: str) -> Refusal:
    """A refusal of one argument, named by its name on the wire."""
    return Refusal(PARAMETER, f"{field} parameter error: {why}")


def unsupported() -> Refusal:
    """A refusal because cards of this type cannot do that. Source: contract 2.2."""
    return Refusal(PARAMETER, "The BIN not support the model")


def wrong_status(status: object) -> Refusal:
    """A refusal because of the card's state."""
    return Refusal(GENERIC, f"The status of the card does not allow this: {status}")


def not_found(what: str) -> Refusal:
    """A refusal because the server does not know something."""
    return Refusal(GENERIC, f"{what} not found")

"""What to do about an error, in one line; and which exit code it becomes.

Errors carry facts (see ``fincard_async.errors``); the advice is the command line's. The first row
that fits wins, so a subclass stands before its base.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fincard_async import errors
from fincard_async._generated.operations import load
from fincard_async.bulk import GuardTripped

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 3
SOME_FAILED: Final = 4
NOT_FINAL: Final = 5
PARKED: Final = 6
DIFFERENT: Final = 7

_LOOK_UP = "look it up before anything is sent again: fincard {query}{order}"
_COMPARE = "no query knows it by its number: compare the balances before anything is sent again"
_ANY: Final = "cards.open"
"""Stands in where an error names no operation: all that happens to cards is in one query."""
_CREDENTIALS = "check the credentials and the tenant{doctor}"
_AGAIN = "nothing was changed; try again{doctor}"

_ADVICE: Final[tuple[tuple[type[errors.FincardError], str], ...]] = (
    (
        errors.ConfigError,
        "set it right in the environment or in a profile{doctor}",
    ),
    (
        GuardTripped,
        "nothing was sent; if you mean it, raise the limit (--max-rows, --max-total,"
        " --ignore-funds), or split the file",
    ),
    (
        errors.JournalMismatch,
        "nothing was sent; name the journal, the job and the profile that belong together",
    ),
    (errors.ValidationError, "nothing was sent; `--help` after the command says what it takes"),
    (errors.UsageError, "nothing was sent"),
    (errors.ConnectFailed, "nothing was sent; check FINCARD_BASE_URL and the network"),
    (errors.TransportError, _AGAIN),
    (errors.ReplyError, _AGAIN),
    (errors.OutcomeUnknown, "it may have happened; {look_up}"),
    (errors.DuplicateOrder, "an earlier call used this order number; {look_up}"),
    (errors.Unauthenticated, _CREDENTIALS),
    (errors.PermissionDenied, "ask for the right, or use other credentials (--profile)"),
    (errors.NotFound, "check the id, and that --profile names the environment it belongs to"),
    (errors.InvalidRequest, "the server refused it and nothing happened; change what it names"),
    (errors.InsufficientFunds, "nothing happened; add funds, then run the command again"),
    (errors.RateLimited, "wait, then run the command again"),
    (errors.UnsealError, "check that FINCARD_CARD_KEY is the private key of this merchant"),
    (errors.ExportError, "wait for the other run, or remove the .part files to begin again"),
    (
        errors.WebhookRefused,
        "do not act on it; check that FINCARD_WEBHOOK_KEY is the platform's key, and that the body"
        " is the bytes as they came",
    ),
    (errors.WebhookUnreadable, "the platform signed it; tell its support, with the category"),
    (errors.JournalLocked, "wait until the other process ends; a job runs once at a time"),
    (errors.JournalError, "no row was sent after this; put it right, then run the command again"),
)
_OTHERWISE: Final = "see that settings and connection are right{doctor}"
_DOCTOR: Final = "; `fincard doctor` checks settings, connection and login"


def advice(error: errors.FincardError, *, in_doctor: bool = False) -> str:
    """One line that says what to do; `fincard doctor` is not told to run itself."""
    doctor = "" if in_doctor else _DOCTOR
    return _text(error).format(look_up=_look_up(error), doctor=doctor)


def _text(error: errors.FincardError) -> str:
    if login_refused(error):
        return _CREDENTIALS
    if _proves_nothing(error):
        return "it may have happened all the same; {look_up}"
    return next((text for kind, text in _ADVICE if isinstance(error, kind)), _OTHERWISE)


def login_refused(error: errors.FincardError) -> bool:
    """True if the server does not let us in, so that no call can succeed."""
    if isinstance(error, errors.ConnectFailed):
        return isinstance(error.__cause__, errors.ApiError)
    return isinstance(error, errors.Unauthenticated)


def _proves_nothing(error: errors.FincardError) -> bool:
    """True for a refused mutation whose refusal does not say that nothing happened."""
    if not isinstance(error, errors.ApiError) or isinstance(error, errors.DuplicateOrder):
        return False
    return error.order_no is not None and not error.final


def exit_code(error: errors.FincardError) -> int:
    """2 where the command or the settings are wrong, else 1."""
    return USAGE if isinstance(error, errors.UsageError) else FAILED


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The single errors in a group of errors, however deep."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


def _look_up(error: errors.FincardError) -> str:
    """How to find out what became of a mutation."""
    query = load(error.operation or _ANY).settled_by
    if query is None:
        return _COMPARE
    order = f" --merchant-order-no {error.order_no}" if error.order_no else ""
    return _LOOK_UP.format(query=query.replace(".", " "), order=order)

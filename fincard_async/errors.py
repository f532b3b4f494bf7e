"""Every error of this package, in one tree, by what the caller can do about it.

::

    FincardError
      UsageError           nothing was sent; the call or the settings are wrong
        ValidationError      an argument breaks a rule of the API (also a ValueError)
          ArgumentTypeError    a wrong type, such as a float for money (also a TypeError)
        IdempotencyConflict  the order number is in doubt, and was for another request
        ConfigError          a setting is missing or cannot be used
        MissingExtraError    an optional dependency is not installed
        ClientClosed         the client was closed
        WrongLoop            the client belongs to another event loop
        ForkedClient         the client belongs to the parent process
      TransportError       no reply
        ConnectFailed        proven: no byte of the request was sent
          LocalOverload        no place under the client's own limits
        ConnectionLost       the connection broke after sending began
        TimedOut             no complete reply in time
      ReplyError           a reply that cannot be trusted
        NotAnEnvelope        not the JSON object that every answer of this API is
        DecodeError          an envelope whose data does not have the documented shape
        UnexpectedRedirect   a 3xx answer; redirects are never followed
        ResponseTooLarge     longer than the limit
        ResponseMismatch     the answer names another order or card than the request
        StatusContradiction  an order that was final is now final in the other way
        IncompletePagination the pages of a list do not add up; rows are missing
        BadReplySignature    the reply's signature does not verify
      ApiError             the server refused
        Unauthenticated, PermissionDenied, NotFound, InvalidRequest, DuplicateOrder,
        InsufficientFunds, RateLimited, ServerError, UnknownApiError
      OutcomeUnknown       a mutation that may have happened; look it up by its order number
      UnsealError          a sealed value cannot be opened
      WebhookError         a webhook that cannot be trusted
        WebhookRefused       not proven to come from the platform
        WebhookUnreadable    signed, but not what its category promises
      ExportError          the files of an export cannot be used
      JournalError         the journal of a bulk job cannot be used
        JournalLocked        another process holds it
        JournalMismatch      it belongs to another job, server or rows (also a UsageError)

A mutation never ends in a bare ``ConnectionLost``, ``TimedOut`` or ``ReplyError``: those become
``OutcomeUnknown``, with the first error as its ``__cause__``. Errors carry facts; they never carry
secrets, request bodies or objects of the HTTP library.
"""

from __future__ import annotations


class FincardError(Exception):
    """Base of all errors of this package.

    Attributes:
        operation: Name of the operation, such as ``"cards.open"``; None outside a call.
        order_no: The ``merchantOrderNo`` of the mutation; None for reads.
        maybe_applied: True if the server may have carried out the mutation.
        retry_after: Seconds that the server asked to wait; None if it did not say.
        code: Business code of the envelope; None without one.
        status: HTTP status of the reply; None without a reply.
        attempts: How many times the request was handed to the transport.
        delivered: Of a read of many rows, how many the caller got before the error; else None.
        resume_token: JSON text with which another reader of the same query goes on, also in another
            process: for ``Paginator.resume``, or the ``checkpoint`` of ``export`` and ``follow``.
        rows: Of ``collect()``, the rows themselves, for it had not returned any; else empty.
    """

    delivered: int | None = None
    resume_token: str | None = None
    rows: tuple[object, ...] = ()

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        order_no: str | None = None,
        maybe_applied: bool = False,
        retry_after: float | None = None,
        code: int | str | None = None,
        status: int | None = None,
        attempts: int = 0,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.order_no = order_no
        self.maybe_applied = maybe_applied
        self.retry_after = retry_after
        self.code = code
        self.status = status
        self.attempts = attempts

    @property
    def message(self) -> str:
        """What happened, in one sentence."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        facts = [
            f"{name}={value}"
            for name in ("operation", "order_no", "code", "status", "retry_after")
            if (value := getattr(self, name)) is not None
        ]
        return f"{self.message} ({', '.join(facts)})" if facts else self.message


class UsageError(FincardError):
    """The call or the settings are wrong; nothing was sent."""


class ValidationError(UsageError, ValueError):
    """An argument breaks a rule of the API; nothing was sent."""


class ArgumentTypeError(ValidationError, TypeError):
    """An argument has a wrong type, such as a float for money; nothing was sent."""


class IdempotencyConflict(UsageError):
    """An order number that is in doubt was given for another request; nothing was sent.

    The open order may still be carried out: settle it, or give this one a number of its own.
    """


class ConfigError(UsageError):
    """A setting is missing or cannot be used; the message names the variable."""


class MissingExtraError(UsageError, ImportError):
    """An optional dependency is not installed; the message names the extra."""


class ClientClosed(UsageError):
    """The client was closed, or is used before ``async with``."""


class WrongLoop(UsageError):
    """The client belongs to another event loop."""


class ForkedClient(UsageError):
    """The client was created in the parent process; create one after the fork."""


class TransportError(FincardError):
    """No reply arrived."""


class ConnectFailed(TransportError):
    """Proven: no byte of the request was sent.

    ``passing`` is False where another attempt cannot help, such as for a bad certificate.
    """

    passing = True


class LocalOverload(ConnectFailed):
    """No place under the client's own ``Limits``: in time, or in the line of those who wait."""


class ConnectionLost(TransportError):
    """The connection broke after sending had begun."""


class TimedOut(TransportError):
    """No complete reply arrived in time."""


class ReplyError(FincardError):
    """A reply arrived that cannot be trusted."""


class NotAnEnvelope(ReplyError):
    """The reply is not the JSON object that every answer of this API is."""


class DecodeError(ReplyError):
    """The envelope's data does not have the documented shape."""


class UnexpectedRedirect(ReplyError):
    """The server answered with a redirect; redirects are never followed."""


class ResponseTooLarge(ReplyError):
    """The reply is longer than the limit."""


class ResponseMismatch(ReplyError):
    """The reply names another order or card than the request."""


class StatusContradiction(ReplyError):
    """An order was seen to succeed and to fail. Neither is believed: a person must ask.

    Attributes:
        first: The final status that was seen first.
        then: The other one.
    """

    def __init__(
        self, message: str, *, first: str = "", then: str = "", order_no: str | None = None
    ) -> None:
        super().__init__(message, order_no=order_no)
        self.first = first
        self.then = then


class IncompletePagination(ReplyError):
    """The pages of a list do not add up: rows that the server counted do not come.

    Attributes:
        seen: Rows received, repeated ones included.
        total: Rows that the server said there are.
    """

    def __init__(self, message: str, *, seen: int = 0, total: int = 0) -> None:
        super().__init__(message)
        self.seen = seen
        self.total = total

    def __str__(self) -> str:
        return f"{super().__str__()}: {self.seen} rows seen, {self.total} counted by the server"


class BadReplySignature(ReplyError):
    """The reply's signature does not verify."""


class ApiError(FincardError):
    """The server refused the call.

    ``final`` is True if this refusal is known to prove that nothing happened.
    """

    def __init__(
        self,
        message: str,
        *,
        final: bool = False,
        code: int | str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, code=code, status=status)
        self.final = final


class Unauthenticated(ApiError):
    """The server does not accept the credentials or the token."""


class PermissionDenied(ApiError):
    """The credentials do not allow this operation."""


class NotFound(ApiError):
    """The server does not know the card, order or path."""


class InvalidRequest(ApiError):
    """The server refused the arguments or the state of the card."""


class DuplicateOrder(ApiError):
    """The order number was used before; an earlier call with it was registered."""


class InsufficientFunds(ApiError):
    """A balance is too low for the operation."""


class RateLimited(ApiError):
    """Too many calls; ``retry_after`` says how long to wait, if the server did."""


class ServerError(ApiError):
    """The server failed while it worked on the call."""


class UnknownApiError(ApiError):
    """A refusal with a code that the schema does not list."""


class OutcomeUnknown(FincardError):
    """A mutation that may or may not have happened.

    Look it up by ``order_no`` before anything is sent again, and never send it again under a
    new number. ``__cause__`` is the error that hid the outcome.
    """


class UnsealError(FincardError):
    """A sealed value cannot be opened; one message for every cause."""


class WebhookError(FincardError):
    """A webhook that cannot be trusted."""


class WebhookRefused(WebhookError):
    """It is not proven that the platform sent it: answer 401, without a reason."""


class WebhookUnreadable(WebhookError):
    """The signature is good, but the body is not what its category promises."""


class ExportError(FincardError):
    """The files of an export cannot be used; the message names them."""


class JournalError(FincardError):
    """The journal of a bulk job cannot be used."""


class JournalLocked(JournalError):
    """Another process holds the journal."""


class JournalMismatch(JournalError, UsageError):
    """The journal belongs to another job, operation, server or tenant, or to other rows."""

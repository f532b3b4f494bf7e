"""One call, top to bottom. This is the only place that knows the order of the stages.

::

    once per call      1 options   merge the client's settings with the call's
                       2 order no  given, or minted once and then fixed
                       3 build     check the rules, make the final bytes
    once per attempt   4 limiter   a place among those in flight, by lane
                       5 auth      the Authorization header
                       6 transport bytes out, bytes in
                       7 interpret HTTP status, envelope and data: a result, or an error
    after an error     8 retry     the table: give up, or sleep and repeat the same bytes

The order number and the bytes are fixed outside the loop, so that no attempt can ask for a second
card. A mutation ends in exactly one of: a result; a refusal known to be final (``ApiError``);
``ConnectFailed``, where nothing was sent; ``OutcomeUnknown`` for everything else. Once an attempt
may have been carried out, no later attempt's refusal is final.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from fincard_async._generated.wire import CONTEXT_HEADERS
from fincard_async._sansio.budget import RetryBudget
from fincard_async._sansio.headers import context_headers
from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure
from fincard_async._sansio.model import Model
from fincard_async._sansio.operation import Operation
from fincard_async._sansio.options import CallOptions, Lane, RetryPolicy
from fincard_async._sansio.order_no import NUMBER_BYTES, mint
from fincard_async._sansio.outcome import conclude, from_failure, not_sent
from fincard_async._sansio.refusals import RefusalRow
from fincard_async._sansio.requests import Prepared, build_request, order_no_of, with_order_number
from fincard_async._sansio.responses import interpret
from fincard_async._sansio.retry import (
    COST,
    OPEN,
    TABLE,
    Step,
    classify,
    column_of,
    is_overload,
    most_attempts,
    pause,
    settling_time,
)
from fincard_async._sansio.retry_after import read_retry_after
from fincard_async.errors import (
    FincardError,
    IdempotencyConflict,
    OutcomeUnknown,
    Unauthenticated,
    UsageError,
)

from .auth import Authorization
from .deadline import Scopes
from .doubts import Doubts
from .headers import FullHeaders
from .hooks import CallEvent, Observers, Point, logger, next_call
from .limiter import Limiter
from .mutations import Mutations
from .ports import Clock, Entropy, Gate, Home, Transport

I = TypeVar("I", bound=Model)  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output

LEAST_LEFT = 0.25
"""Seconds; an attempt that would have less time than this is not worth its place on the wire.

Without it, calls that waited to the end of their time are sent only to be given up: in an overload
every place is taken by them, nobody is answered, and a mutation ends unknown for nothing.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a call may override."""

    headers: Mapping[str, str] = field(repr=False)
    """Context and content headers, complete but for Authorization."""
    timeout: float
    """Seconds for the whole call."""
    retry: RetryPolicy
    money_as: str = "number"
    lane: Lane = Lane.READ


class _Progress:
    """What is known of one call so far.

    Attributes:
        deadline: For the attempts; what is left after it is for settling.
        paid: What its retries took from the budget.
        in_doubt: An attempt of a mutation may have been carried out.
    """

    __slots__ = (
        "attempts",
        "call",
        "deadline",
        "in_doubt",
        "paid",
        "started",
        "token_was_refused",
    )

    def __init__(self, started: float, deadline: float, call: int, in_doubt: bool) -> None:
        self.started = started
        self.deadline = deadline
        self.call = call
        self.in_doubt = in_doubt
        self.attempts = self.paid = 0
        self.token_was_refused = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Carries out operations. Everything it needs of the outside world is a port."""

    transport: Transport
    home: Home
    auth: Authorization | None
    limiter: Limiter
    budget: RetryBudget
    doubts: Doubts
    mutations: Mutations
    clock: Clock
    entropy: Entropy
    observers: Observers
    refusals: Sequence[RefusalRow]
    settings: Settings
    gate: Gate | None = None
    headers: FullHeaders = field(default_factory=FullHeaders)
    scopes: Scopes = field(default_factory=Scopes)

    async def run(
        self, operation: Operation[I, O], request: I, options: CallOptions | None, path: str = ""
    ) -> object:
        """Carry out one operation and return its decoded ``data``.

        Raises:
            UsageError: Nothing was sent.
            FincardError: See the law of this module.
        """
        self.home.enter()
        settings = self.settings if options is None else merge(self.settings, options)
        mutates, listening = operation.mutates, self.observers.listening
        if mutates and order_no_of(operation, request) is None:
            minted = mint(self.entropy.token_bytes(NUMBER_BYTES))
            request = with_order_number(operation, request, minted)
        prepared = build_request(operation, request, money_as=settings.money_as, path=path)
        now, seconds = self.clock.monotonic(), self.scopes.seconds_for(settings.timeout)
        kept = settling_time(operation, settings.retry, seconds) if mutates else 0.0
        # An earlier call with this number that nobody settled is an open attempt of the order.
        in_doubt = mutates and self.doubts.check(prepared)
        call = next_call() if listening else 0
        progress = _Progress(now, now + seconds - kept, call, in_doubt)
        if listening:
            self._tell("prepared", prepared, progress)
        try:
            while True:
                progress.attempts += 1
                if listening:
                    self._tell("attempt", prepared, progress)
                try:
                    result = await self._attempt(prepared, settings, progress)
                except FincardError as error:
                    await self._pause_or_raise(error, prepared, settings, progress)
                else:
                    self.budget.refund(progress.paid)
                    if mutates:
                        self.doubts.clear(prepared.order_no)
                    if listening:
                        self._tell("outcome", prepared, progress)
                        self._tell("finished", prepared, progress)
                    return result
        except FincardError:
            raise  # told already
        except BaseException as error:  # cancelled, or a fault of the program
            self._tell("finished", prepared, progress, error)
            raise

    async def _pause_or_raise(
        self, error: FincardError, prepared: Prepared, settings: Settings, progress: _Progress
    ) -> None:
        """Between two attempts; or the end of the call, in an error."""
        self._tell("outcome", prepared, progress, error)
        delay = self._delay(error, prepared, settings, progress)
        if delay is None:
            final = self._conclude(error, prepared, progress)
            try:
                if final is error:
                    raise error
                raise final from error
            finally:
                # A frame that holds what it raises is a cycle, with all that the call held.
                del error, final
        name = prepared.operation.name
        logger.info("%s: %s; again in %.3f s", name, type(error).__name__, delay)
        await self.clock.sleep(delay)

    async def _attempt(self, prepared: Prepared, settings: Settings, progress: _Progress) -> object:
        mutates, limiter, header = prepared.operation.mutates, self.limiter, ""
        if progress.attempts > 1:
            self.home.enter()  # it may have been closed during the pause
        if not limiter.take():
            lane = Lane.MONEY if mutates else settings.lane
            await limiter.acquire(progress.deadline, lane)
        try:
            if self.auth is not None:
                header = self.auth.current() or await self._authorize(progress)
            if self.gate is not None:
                await self.gate.enter(progress.deadline)
            remaining = progress.deadline - self.clock.monotonic()
            if remaining <= 0 or LEAST_LEFT > remaining < settings.timeout / 2:
                raise not_sent("the deadline passed before the request was sent")
            if mutates:
                self.doubts.add(prepared)
            longest = settings.retry.attempt_timeout
            headers = self.headers.of(settings.headers, header)
            response: HttpResponse | None = None
            try:
                response = await self.transport.send(
                    HttpRequest(
                        prepared.path, headers, prepared.body, prepared.operation.most_bytes
                    ),
                    remaining if remaining < longest else longest,
                )
                result = interpret(
                    prepared.operation, prepared.request, response, self.refusals, header
                )
            except TransportFailure as failure:
                raise self._noticed(from_failure(failure)) from None
            except FincardError as error:
                self._notice(error, response)
                if isinstance(error, Unauthenticated) and self.auth is not None:
                    replaceable = self.auth.refuse(header)
                    progress.token_was_refused = progress.token_was_refused or not replaceable
                raise
            limiter.clean()
            return result
        finally:
            limiter.release()

    async def _authorize(self, progress: _Progress) -> str:
        """The header for this attempt; a login that fails leaves the call itself unsent."""
        assert self.auth is not None
        try:
            return await self.auth.header(progress.deadline)
        except (Unauthenticated, UsageError):
            progress.token_was_refused = True
            raise
        except FincardError as error:
            raise not_sent(f"the login failed: {error.message}") from error

    def _noticed(self, error: FincardError) -> FincardError:
        """The same error, of an attempt that brought no reply."""
        self._notice(error, None)
        return error

    def _notice(self, error: FincardError, response: HttpResponse | None) -> None:
        """Put the reply's facts on the error, and let the limiter see signs of overload."""
        if response is not None:
            error.status = response.status
            error.retry_after = read_retry_after(
                response.headers.get("retry-after"),
                response.headers.get("date"),
                self.clock.wall(),
            )
        if is_overload(error):
            self.limiter.trouble()
            if error.retry_after:
                self.limiter.pause(error.retry_after)

    def _delay(
        self, error: FincardError, prepared: Prepared, settings: Settings, progress: _Progress
    ) -> float | None:
        """Seconds until the next attempt, or None to give up."""
        failure, policy = classify(error), settings.retry
        if prepared.operation.mutates and failure in OPEN:
            progress.in_doubt = True
        column = column_of(prepared.operation, policy)
        step = TABLE[failure, column]
        if step is Step.LOGIN:
            # Without ``auth`` this is the login itself: a refused password is not sent twice.
            if self.auth is None or progress.token_was_refused:
                return None
            progress.token_was_refused = True
            return 0.0
        if step is Step.RAISE or progress.attempts >= most_attempts(column, policy):
            return None
        delay = pause(step, policy, progress.attempts, self.entropy.fraction(), error.retry_after)
        if self.clock.monotonic() + delay + LEAST_LEFT > progress.deadline:
            return None
        if not self.budget.pay(COST[step]):
            return None
        progress.paid += COST[step]
        return delay

    def _conclude(
        self, error: FincardError, prepared: Prepared, progress: _Progress
    ) -> FincardError:
        final = conclude(
            error,
            operation=prepared.operation.name,
            mutates=prepared.operation.mutates,
            order_no=prepared.order_no,
            attempts=progress.attempts,
            in_doubt=progress.in_doubt,
        )
        if not isinstance(final, OutcomeUnknown | IdempotencyConflict):
            self.doubts.clear(prepared.order_no)
        self._tell("finished", prepared, progress, final)
        return final

    def _tell(
        self,
        point: Point,
        prepared: Prepared,
        progress: _Progress,
        error: BaseException | None = None,
    ) -> None:
        if self.observers.listening:
            event = CallEvent(
                point=point,
                call=progress.call,
                operation=prepared.operation.name,
                order_no=prepared.order_no,
                attempt=progress.attempts,
                elapsed=self.clock.monotonic() - progress.started,
                error=None if error is None else type(error).__name__,
                status=error.status if isinstance(error, FincardError) else None,
            )
            self.observers.tell(event)


def merge(settings: Settings, options: CallOptions | None) -> Settings:
    """Stage 1: the call's own settings over the client's."""
    if options is None:
        return settings
    return replace(
        settings,
        timeout=settings.timeout if options.timeout is None else options.timeout,
        retry=settings.retry if options.retry is None else options.retry,
        lane=settings.lane if options.lane is None else options.lane,
        headers=(
            settings.headers
            if options.context is None
            else {**settings.headers, **context_headers(options.context, CONTEXT_HEADERS)}
        ),
    )

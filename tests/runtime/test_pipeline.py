"""One call, from its settings to its end."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from msgspec.structs import replace

from fincard_async import errors
from fincard_async._generated.wire import REFUSALS
from fincard_async._sansio.messages import HttpRequest, HttpResponse, Reason, TransportFailure
from fincard_async._sansio.operation import Operation
from fincard_async._sansio.options import (
    NO_RETRY,
    CallOptions,
    Dedupe,
    Limits,
    RequestContext,
    RetryPolicy,
)
from fincard_async._sansio.outcome import from_failure
from fincard_async._sansio.responses import interpret
from fincard_async._sansio.retry import Failure, classify
from fincard_async.errors import (
    ConnectFailed,
    ConnectionLost,
    FincardError,
    LocalOverload,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    TimedOut,
    ValidationError,
)
from fincard_async.testing import FakeClock, reply
from tests.sansio.samples import ASKED, READ, WRITE, Answer, Ask

from .rig import ASK, DONE, LOST, UNSENT, Rig, failure

pytestmark = pytest.mark.anyio

FIRST_NUMBER = "A" * 31 + "B"
ONCE = RetryPolicy(dedupe="none")
"""What may have been sent is never sent again."""
REASONS = typing.get_args(Reason)

PASSING = {Failure.LOST, Failure.SERVER, Failure.THROTTLED}


def _met(step: Any) -> FincardError:
    """The error that an attempt with this answer ends in."""
    if isinstance(step, TransportFailure):
        return from_failure(step)
    try:
        interpret(WRITE, ASKED, step, REFUSALS)
    except FincardError as error:
        return error
    raise AssertionError("the step is a success")


HIDES_THE_OUTCOME: list[Any] = [
    *(failure(reason, sent=True) for reason in REASONS),
    reply(status=500, code=500),
    reply(status=502),
    reply(status=503, headers={"retry-after": "0"}),
    reply(status=504),
    reply(status=429, headers={"retry-after": "0"}),
    reply(status=404, code=1),
    reply(status=418),
    reply(success=False, code=500),
    reply(success=False, code=777, msg="news"),
    reply(success=False, code=-1, msg="system busy"),
    reply({"cardNo": "C2"}),
    reply({"merchantOrderNo": "Z" * 32}),
    reply([]),
    reply(None),
    HttpResponse(302, {"location": "/"}, b""),
    HttpResponse(200, {}, b""),
    HttpResponse(200, {}, b"<html>"),
    HttpResponse(200, {}, b"[" * 1000),
    HttpResponse(404, {}, b"<html>"),
    HttpResponse(204, {}, b""),
]
RESENT = [step for step in HIDES_THE_OUTCOME if classify(_met(step)) in PASSING]
"""What passes, so that another attempt may fare better."""
REFUSES_FOR_GOOD: list[tuple[HttpResponse, type[FincardError]]] = [
    (reply(success=False, code=-1, msg="Insufficient balance"), errors.InsufficientFunds),
    (reply(success=False, code=-1, msg="card not found"), errors.NotFound),
    (reply(success=False, code=40002, msg="town parameter error"), errors.InvalidRequest),
    (reply(status=400, code=500, msg="Missing required header(s)"), errors.InvalidRequest),
    (reply(status=403, code=403), errors.PermissionDenied),
    (reply(success=False, code=-1, msg="Duplicate order number"), errors.DuplicateOrder),
]


async def _fails(rig: Rig, operation: Operation[Any, Any], **options: Any) -> FincardError:
    with pytest.raises(FincardError) as caught:
        await rig.pipeline.run(operation, ASK, CallOptions(**options) if options else None)
    return caught.value


async def test_a_call_is_told_at_four_points() -> None:
    """Observers hear of the call once, and of every attempt."""
    rig = Rig([DONE])
    assert await rig.pipeline.run(READ, ASK, None) == Answer(card_no="C1")
    assert rig.points == ["prepared 0", "attempt 1", "outcome 1", "finished 1"]
    assert {event.operation for event in rig.events} == {"things.get"}


async def test_every_attempt_is_told() -> None:
    """A repeat is two more points; the last one says how the call ended."""
    rig = Rig([LOST, reply(status=503), DONE])
    await rig.pipeline.run(READ, ASK, None)
    assert rig.points == [
        "prepared 0",
        "attempt 1",
        "outcome 1 ConnectionLost",
        "attempt 2",
        "outcome 2 ServerError",
        "attempt 3",
        "outcome 3",
        "finished 3",
    ]
    assert [event.status for event in rig.events] == [None] * 4 + [503] + [None] * 3
    elapsed = [event.elapsed for event in rig.events]
    assert elapsed == sorted(elapsed)
    assert elapsed[-1] == pytest.approx(sum(rig.clock.slept))


async def test_a_failed_mutation_is_told_with_its_meaning() -> None:
    """``outcome`` has what was met, ``finished`` what it means."""
    rig = Rig([LOST], retry=ONCE)
    await _fails(rig, WRITE)
    assert rig.points[2:] == ["outcome 1 ConnectionLost", "finished 1 OutcomeUnknown"]
    assert {event.order_no for event in rig.events} == {FIRST_NUMBER}


async def test_one_number_and_the_same_bytes_over_all_attempts() -> None:
    """The number is minted once and stands in every attempt."""
    rig = Rig([UNSENT, UNSENT, DONE])
    await rig.pipeline.run(WRITE, ASK, None)
    bodies = {request.body for request in rig.wire.requests}
    assert len(rig.wire.requests) == 3
    assert bodies == {f'{{"cardNo":"C1","merchantOrderNo":"{FIRST_NUMBER}"}}'.encode()}
    assert rig.dice.minted == 1


async def test_two_calls_have_two_numbers() -> None:
    """A number names one intent."""
    rig = Rig([DONE, DONE])
    for _ in range(2):
        await rig.pipeline.run(WRITE, ASK, None)
    first, second = rig.wire.requests
    assert first.body != second.body


async def test_the_callers_number_is_kept() -> None:
    """A given number is sent as it is."""
    rig = Rig([DONE])
    asked = Ask(card_no="C1", merchant_order_no="MY-NUMBER-0000000000000")
    await rig.pipeline.run(WRITE, asked, None)
    assert b"MY-NUMBER-0000000000000" in rig.wire.requests[0].body


@pytest.mark.parametrize(
    "step, kind",
    [
        (LOST, ConnectionLost),
        (failure("timeout", sent=True), TimedOut),
        (failure("malformed", sent=True), errors.NotAnEnvelope),
        (reply(status=500), ServerError),
        (reply(status=429), RateLimited),
        (HttpResponse(200, {}, b"<html>"), errors.NotAnEnvelope),
        (UNSENT, ConnectFailed),
    ],
)
async def test_a_read_is_repeated_up_to_its_limit(step: Any, kind: type[FincardError]) -> None:
    """Four attempts, and the last error is what the caller gets."""
    rig = Rig([step] * 5)
    error = await _fails(rig, READ)
    assert type(error) is kind
    assert (error.attempts, len(rig.wire.requests)) == (4, 4)
    assert (error.operation, error.order_no, error.maybe_applied) == ("things.get", None, False)
    assert len(rig.clock.slept) == 3


@pytest.mark.parametrize(
    "step",
    [
        failure("too-large", sent=True),
        HttpResponse(302, {}, b""),
        reply([]),
        reply({"cardNo": "C2"}),
        reply(status=404, code=404),
        reply(success=False, code=-1, msg="no"),
    ],
)
async def test_a_read_with_a_lasting_fault_is_not_repeated(step: Any) -> None:
    """What would be the same the next time is told at once."""
    rig = Rig([step])
    await _fails(rig, READ)
    assert rig.clock.slept == []


@pytest.mark.parametrize("step", HIDES_THE_OUTCOME)
async def test_without_dedupe_a_mutation_is_never_resent_after_it_was_sent(step: Any) -> None:
    """One request, and an unknown outcome that names order number and first error."""
    rig = Rig([step], retry=ONCE)
    error = await _fails(rig, WRITE)
    assert type(error) is OutcomeUnknown
    assert error.order_no == FIRST_NUMBER
    assert error.maybe_applied
    assert isinstance(error.__cause__, FincardError)
    assert error.attempts == len(rig.wire.requests) == 1
    assert rig.clock.slept == []
    if isinstance(step, HttpResponse):
        assert error.status == step.status


@pytest.mark.parametrize("step, kind", REFUSES_FOR_GOOD)
async def test_a_final_refusal_of_a_mutation_is_told_as_it_is(
    step: HttpResponse, kind: type[FincardError]
) -> None:
    """Nothing happened, except that a duplicate tells of an earlier call."""
    rig = Rig([step])
    error = await _fails(rig, WRITE)
    assert type(error) is kind
    assert error.order_no == FIRST_NUMBER
    assert error.maybe_applied is (kind is errors.DuplicateOrder)


async def test_what_was_not_sent_is_sent_again() -> None:
    """A mutation has three attempts to reach the server."""
    rig = Rig([UNSENT] * 4)
    error = await _fails(rig, WRITE)
    assert type(error) is ConnectFailed
    assert (error.attempts, error.maybe_applied) == (3, False)
    assert rig.clock.slept == [0.025, 0.05]


async def test_sent_after_unsent_is_unknown() -> None:
    """An attempt that was not sent gives no right to resend a later one that was."""
    rig = Rig([UNSENT, LOST], retry=ONCE)
    assert type(await _fails(rig, WRITE)) is OutcomeUnknown
    assert len(rig.wire.requests) == 2


@pytest.mark.parametrize("operation", [READ, WRITE])
async def test_a_bad_certificate_is_told_at_once(operation: Operation[Any, Any]) -> None:
    """It will be as bad the next time, and nothing was sent."""
    rig = Rig([failure("certificate", sent=False)])
    error = await _fails(rig, operation)
    assert type(error) is ConnectFailed
    assert error.attempts == 1


async def test_the_servers_wish_is_kept() -> None:
    """``Retry-After`` is the least pause, in seconds or as a date."""
    rig = Rig(
        [
            reply(status=429, headers={"retry-after": "7"}),
            reply(status=503, headers={"retry-after": "Thu, 01 Jan 2026 00:00:12 GMT"}),
            DONE,
        ]
    )
    await rig.pipeline.run(READ, ASK, None)
    first, second = rig.clock.slept
    assert 7.0 <= first <= 7.7
    assert 12.0 <= first + second <= 13.0


async def test_a_wish_beyond_the_deadline_ends_the_call_at_once() -> None:
    """Nobody waits for what can no longer come; the error tells how long it would take."""
    rig = Rig([reply(status=429, headers={"retry-after": "31"})])
    error = await _fails(rig, READ)
    assert type(error) is RateLimited
    assert error.retry_after == 31.0
    assert rig.clock.slept == []


async def test_no_attempt_begins_after_the_deadline() -> None:
    """Attempts share one deadline; each gets what is left of it."""

    def slow(request: HttpRequest) -> Any:
        rig.clock.advance(4.0)
        return LOST

    rig = Rig([slow] * 9, timeout=10.0, retry=RetryPolicy(read_attempts=9))
    error = await _fails(rig, READ)
    assert type(error) is ConnectionLost
    assert error.attempts == 3
    assert rig.wire.timeouts == pytest.approx([10.0, 5.975, 1.925])


@pytest.mark.parametrize("timeout", [0.0, -1.0])
async def test_a_call_without_time_sends_nothing(timeout: float) -> None:
    """The deadline is checked before the first byte."""
    rig = Rig([])
    error = await _fails(rig, WRITE, timeout=timeout)
    assert type(error) is ConnectFailed
    assert rig.wire.requests == []


async def test_a_broken_rule_sends_nothing() -> None:
    """Nobody is told of a call that was never one."""
    rig = Rig([])
    with pytest.raises(ValidationError):
        await rig.pipeline.run(WRITE, Ask(card_no=""), None)
    assert rig.points == []


async def test_a_transport_that_cannot_be_used_is_a_usage_error() -> None:
    """A closed client is told as that, also for a mutation."""

    class Closed:
        async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
            raise errors.ClientClosed("the client is closed")

        async def aclose(self) -> None: ...

    rig = Rig([], transport=Closed())
    assert type(await _fails(rig, WRITE)) is errors.ClientClosed


async def test_a_foreign_error_is_not_hidden() -> None:
    """A mistake in a transport is no outcome of a call."""
    with pytest.raises(AssertionError, match="no step left"):
        await Rig([]).pipeline.run(READ, ASK, None)


async def test_the_calls_settings_win() -> None:
    """Timeout, context and retries of a call stand over the client's; others stay."""
    rig = Rig([UNSENT, DONE])
    context = RequestContext(forwarded_for="203.0.113.9", device_id="till-7")
    error = await _fails(rig, READ, retry=RetryPolicy(read_attempts=1), timeout=5.0)
    assert error.attempts == 1
    await rig.pipeline.run(READ, ASK, CallOptions(context=context))
    assert rig.wire.timeouts == [5.0, 15.0]
    sent = rig.wire.requests[1].headers
    assert (sent["deviceId"], sent["X-Forwarded-For"]) == ("till-7", "203.0.113.9")
    assert sent["X-Tenant-ID"] == "acme"
    assert "deviceId" not in rig.wire.requests[0].headers


async def test_another_path_may_be_given() -> None:
    """A login puts ids into its path; nothing else of the call changes."""
    rig = Rig([DONE])
    await rig.pipeline.run(READ, ASK, None, "/other")
    assert rig.wire.requests[0].path == "/other"


async def test_a_pause_gives_the_place_back() -> None:
    """A call that waits for its next attempt does not keep others out."""

    class Busy(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await rig.pipeline.run(READ, ASK, CallOptions(timeout=1.0))

    rig = Rig([UNSENT, DONE, DONE], limits=Limits(max_concurrency=1), clock=Busy())
    await rig.pipeline.run(WRITE, ASK, None)
    assert [request.path for request in rig.wire.requests] == [
        WRITE.path,
        READ.path,
        WRITE.path,
    ]


async def test_an_error_of_a_call_does_not_show_its_request() -> None:
    """Neither text nor repr has the card number that was asked for."""
    rig = Rig([reply({"cardNo": "C2"})])
    with pytest.raises(OutcomeUnknown) as caught:
        await rig.pipeline.run(WRITE, Ask(card_no="canary-card"), None)
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {rig.events!r}"
    assert "canary" not in shown


@pytest.mark.parametrize("dedupe", ["error", "replay"])
@pytest.mark.parametrize("step", RESENT)
async def test_what_may_be_repeated_is_sent_again(step: Any, dedupe: Dedupe) -> None:
    """Where the server knows a repeated number: the same bytes, up to three times, then unknown."""
    rig = Rig([step] * 3, retry=RetryPolicy(dedupe=dedupe))
    error = await _fails(rig, WRITE)
    assert type(error) is OutcomeUnknown
    assert error.attempts == len(rig.wire.requests) == 3
    assert len({request.body for request in rig.wire.requests}) == 1
    assert rig.dice.minted == 1
    rig = Rig([step, DONE], retry=RetryPolicy(dedupe=dedupe))
    assert await rig.pipeline.run(WRITE, ASK, None) == Answer(card_no="C1")
    assert rig.doubts.all() == ()


@pytest.mark.parametrize("dedupe", ["error", "replay", "none"])
@pytest.mark.parametrize("step", [step for step in HIDES_THE_OUTCOME if step not in RESENT])
async def test_an_answer_that_proves_nothing_is_not_repeated(step: Any, dedupe: Dedupe) -> None:
    """It would be the same again, and the order may have been carried out."""
    rig = Rig([step], retry=RetryPolicy(dedupe=dedupe))
    assert type(await _fails(rig, WRITE)) is OutcomeUnknown
    assert len(rig.wire.requests) == 1


@pytest.mark.parametrize("last", [step for step, _ in REFUSES_FOR_GOOD] + [UNSENT])
async def test_no_refusal_is_final_after_a_lost_attempt(last: Any) -> None:
    """The first attempt may have been carried out, or may still be: the refusal proves nothing."""
    rig = Rig([LOST, last, last])
    error = await _fails(rig, WRITE)
    assert type(error) is OutcomeUnknown
    assert error.maybe_applied
    assert [doubt.order_no for doubt in rig.doubts.all()] == [FIRST_NUMBER]


@pytest.mark.parametrize("last", [step for step, _ in REFUSES_FOR_GOOD])
async def test_a_refusal_after_unsent_attempts_is_final(last: HttpResponse) -> None:
    """An attempt that was never sent cannot land."""
    error = await _fails(Rig([UNSENT, last]), WRITE)
    assert type(error) is not OutcomeUnknown


async def test_a_401_closes_its_attempt() -> None:
    """A complete 401 was not carried out, so a refusal of the next attempt is final."""
    refusal = reply(success=False, code=-1, msg="Insufficient balance")
    rig = Rig([reply(status=401, code=401), refusal], auth=Tokens())
    assert type(await _fails(rig, WRITE)) is errors.InsufficientFunds


async def test_a_401_after_a_lost_attempt_leaves_it_open() -> None:
    """It says nothing about the attempt before."""
    no = reply(status=401, code=401)
    rig = Rig([LOST, no, no], auth=Tokens())
    error = await _fails(rig, WRITE)
    assert type(error) is OutcomeUnknown
    assert error.attempts == 3


async def test_a_login_that_fails_after_a_lost_attempt_leaves_it_open() -> None:
    """The second attempt was never sent, and the first one is still unknown."""
    rig = Rig([LOST], auth=Tokens(fails_at=2))
    error = await _fails(rig, WRITE)
    assert type(error) is OutcomeUnknown
    assert len(rig.wire.requests) == 1


class Tokens:
    """An authorization that always has another token, until it fails."""

    def __init__(self, fails_at: int = 0) -> None:
        self.count = 0
        self.fails_at = fails_at

    def current(self) -> str:
        """Never there."""
        return ""

    async def header(self, deadline: float) -> str:
        """The next token."""
        self.count += 1
        if self.count == self.fails_at:
            raise ServerError("down")
        return f"Bearer {self.count}"

    def refuse(self, header: str) -> bool:
        """There is always another."""
        return True


async def test_a_number_that_is_in_doubt_makes_no_refusal_final() -> None:
    """An earlier call with the number is an open attempt too, until it is settled."""
    asked = Ask(card_no="C1", merchant_order_no="MY-NUMBER-0000000000000")
    refusal = reply(success=False, code=-1, msg="Insufficient balance")
    rig = Rig([LOST, refusal, refusal], retry=NO_RETRY)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await rig.pipeline.run(WRITE, asked, None)
    assert len(rig.doubts.all()) == 1
    rig.doubts.clear("MY-NUMBER-0000000000000")
    with pytest.raises(errors.InsufficientFunds):
        await rig.pipeline.run(WRITE, asked, None)
    assert rig.doubts.all() == ()


async def test_the_transport_is_told_how_much_to_read() -> None:
    """Of card data less than of anything else."""
    sealed = replace(READ, sealed=("sealed",))
    rig = Rig([DONE, DONE])
    for operation in (READ, sealed):
        await rig.pipeline.run(operation, ASK, None)
    assert [request.most_bytes for request in rig.wire.requests] == [8 << 20, 64 << 10]


async def test_retries_are_paid_for() -> None:
    """In an outage the first calls retry, and from then on each call is sent once."""
    rig = Rig([LOST] * 1000)
    attempts = [(await _fails(rig, READ)).attempts for _ in range(20)]
    assert attempts == [4] * 11 + [3] + [1] * 8
    assert rig.budget.left < 14


async def test_a_retry_that_helps_costs_nothing() -> None:
    """Its price is given back; a first attempt that succeeds adds one."""
    rig = Rig([LOST, DONE, reply(status=429), LOST, DONE, LOST, LOST, LOST, LOST, DONE])
    await rig.pipeline.run(READ, ASK, None)
    await rig.pipeline.run(READ, ASK, None)
    assert rig.budget.left == 500
    await _fails(rig, READ)
    assert rig.budget.left == 500 - 3 * 14
    await rig.pipeline.run(READ, ASK, None)
    assert rig.budget.left == 500 - 3 * 14 + 1


@pytest.mark.parametrize("operation", [READ, WRITE])
async def test_no_retry_means_one_attempt(operation: Operation[Any, Any]) -> None:
    """For callers whose framework repeats: sent once, or not sent once."""
    for step in (UNSENT, LOST, reply(status=503), reply(status=429)):
        rig = Rig([step], retry=NO_RETRY)
        assert (await _fails(rig, operation)).attempts == 1
        assert rig.clock.slept == []


async def test_a_read_of_card_data_is_repeated_once() -> None:
    """It leaves a trace in the issuer's log."""
    sealed = replace(READ, sealed=("cvv",))
    rig = Rig([LOST] * 3)
    assert (await _fails(rig, sealed)).attempts == 2


async def test_one_attempt_does_not_take_all_the_time() -> None:
    """A hanging attempt leaves time for another; the last one gets what is left."""

    def hangs(request: HttpRequest) -> Any:
        rig.clock.advance(rig.wire.timeouts[-1])
        return failure("timeout", sent=True)

    rig = Rig([hangs] * 9)
    error = await _fails(rig, READ)
    assert type(error) is TimedOut
    assert rig.wire.timeouts == pytest.approx([15.0, 14.975])
    assert rig.clock.monotonic() == 1030.0


@pytest.mark.parametrize("login", [0.0, 4.0, 9.5, 9.9, 10.0])
async def test_one_deadline_over_everything(login: float) -> None:
    """Login, the wait for a place, attempts and pauses: all of it within the call's ten seconds."""

    class Slow(Tokens):
        def current(self) -> str:
            return ""

        async def header(self, deadline: float) -> str:
            assert deadline == 1010.0
            rig.clock.advance(0.0 if self.count else login)
            return await super().header(deadline)

    def slow(request: HttpRequest) -> Any:
        rig.clock.advance(min(3.0, rig.wire.timeouts[-1]))
        return LOST

    rig = Rig([slow] * 9, auth=Slow(), timeout=10.0, limits=Limits(rate=2.0))
    error = await _fails(rig, WRITE)
    assert rig.clock.monotonic() <= 1010.0
    assert all(timeout <= 10.0 - login for timeout in rig.wire.timeouts)
    assert type(error) is (OutcomeUnknown if login < 9.75 else ConnectFailed)


async def test_a_pause_of_the_bucket_is_part_of_the_deadline() -> None:
    """Told to wait longer than the call has, it fails at once, and so does the next one."""
    rig = Rig([reply(status=429, headers={"retry-after": "20"})], timeout=10.0)
    assert (await _fails(rig, READ)).retry_after == 20.0
    assert type(await _fails(rig, READ)) is LocalOverload
    assert rig.clock.slept == []


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
async def test_the_answers_own_date_is_what_counts(skew: float) -> None:
    """A clock that is an hour wrong changes nothing about ``Retry-After``."""
    headers = {
        "retry-after": "Thu, 01 Jan 2026 00:00:05 GMT",
        "date": "Thu, 01 Jan 2026 00:00:00 GMT",
    }
    rig = Rig(
        [reply(status=503, headers=headers), DONE], clock=FakeClock(wall=1_767_225_600.0 + skew)
    )
    await rig.pipeline.run(READ, ASK, None)
    assert 5.0 <= sum(rig.clock.slept) <= 5.5

"""Bugs that cost money, each as one change of text, with the tests that must fail on it.

A line whose old text is gone is an error: either the bug has become impossible, and the line goes,
or the code has moved, and the line follows it.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Mutant(NamedTuple):
    """One bug."""

    name: str
    file: str
    """Inside ``fincard_async``."""
    old: str
    new: str
    tests: tuple[str, ...]
    """Inside ``tests``; at least one must fail."""


DAYS: Final = "faults/test_simulation.py::test_seeds[0]"
MODEL: Final = "faults/test_model.py"
OVERLOAD: Final = "faults/test_overload.py::test_an_outage_is_not_made_worse"
CAUSES: Final = "faults/test_causes.py"
SINGLE: Final = "wirefaults/test_single.py"
CANCEL: Final = (
    "wirefaults/test_cancel.py::"
    "test_every_step_of_every_mutation[session-hangs after it carried it out]"
)
PIPELINE, AUTH, LIMITER, DOUBTS = (
    f"runtime/test_{name}.py" for name in ("pipeline", "auth", "limiter", "doubts")
)
SIZES: Final = "sansio/test_sizes.py"

ISSUE, ENDINGS, LOOK_UPS, WINDOWS, LOCK, JOURNAL, PLAN, OPERATIONS = (
    f"top/bulk/test_{name}.py"
    for name in (
        "issuer",
        "endings",
        "look_ups",
        "windows",
        "lock",
        "journal",
        "planning",
        "operations",
    )
)
PAGES, EXPORT, FOLLOW = (f"runtime/test_{name}.py" for name in ("paginator", "export", "follow"))
LISTS: Final = "faults/test_moving_lists.py::test_an_export_loses_nothing_and_repeats_nothing"
FILES: Final = "top/exports/test_files.py"

_WALK, _SEEN, _SLICES = (f"_sansio/{name}.py" for name in ("walk", "seen", "slices"))
_READER, _SAVE, _SPOOL = "_runtime/slice_reader.py", "exports/save.py", "exports/spool.py"
WATCH: Final = "top/watch/test_watch.py"

_RUN, _RETRY, _OUTCOME = "_runtime/pipeline.py", "_sansio/retry.py", "_sansio/outcome.py"
LINES, READER = "lean/test_lean.py", "lean/test_reply.py"
_REPLY, _DOUBTS = "_transports/reply.py", "_runtime/doubts.py"
_SESSION, _ANSWERS = "_transports/session.py", "_sansio/responses.py"
_SORTED = "                failure = failure_of(error, sent=sent.yes)\n"
_LOGIN_ROW = "Failure.TOKEN: (_LOGIN, _LOGIN, _LOGIN, _LOGIN, _LOGIN)"
_SLEEP = "                    await self._pause_or_raise(error, prepared, settings, progress)\n"
_AGAIN = "                    prepared = __import__('msgspec').structs.replace(prepared, body="


def wire(group: str, way: str = "session") -> str:
    """The faults of one group, over real sockets."""
    return f"wirefaults/test_matrix.py::test_every_case_ends_as_the_table_says[{way}-{group}]"


MUTANTS: Final = (
    Mutant(
        "fresh order number on retry",
        _RUN,
        _SLEEP,
        _SLEEP
        + _AGAIN
        + 'prepared.body.replace((prepared.order_no or "~").encode(), mint('
        + "self.entropy.token_bytes(NUMBER_BYTES)).encode()))\n",
        (DAYS,),
    ),
    Mutant(
        "other bytes on retry",
        _RUN,
        _SLEEP,
        _SLEEP + _AGAIN + 'prepared.body + b" ")\n',
        (PIPELINE,),
    ),
    Mutant(
        "a lost connection is a failure",
        _OUTCOME,
        "isinstance(error, UsageError | ConnectFailed)",
        "isinstance(error, UsageError | ConnectFailed | ConnectionLost)",
        ("sansio/test_outcome.py",),
    ),
    Mutant(
        "5xx is a failure",
        _OUTCOME,
        "return error.final or",
        "return error.final or (error.status or 0) >= 500 or",
        ("sansio/test_outcome.py",),
    ),
    Mutant(
        "a broken connection counts as never sent",
        _OUTCOME,
        "    if not failure.sent:\n",
        '    if not failure.sent or failure.reason == "lost":\n',
        (DAYS,),
    ),
    Mutant(
        "a redirect is followed",
        "_transports/session.py",
        "allow_redirects=False",
        "allow_redirects=True",
        ("transport",),
    ),
    Mutant(
        "what nobody understands is sent again",
        _RETRY,
        "        case _:\n            return Failure.DOUBTFUL",
        "        case _:\n            return Failure.LOST",
        ("sansio/test_retry.py", PIPELINE),
    ),
    Mutant(
        "no echo check",
        "_sansio/responses.py",
        "    _check_echo(operation, request, result)\n",
        "",
        (DAYS, "sansio/test_responses.py"),
    ),
    Mutant(
        "401 is a failure",
        _RETRY,
        _LOGIN_ROW,
        _LOGIN_ROW.replace("_LOGIN", "_RAISE"),
        (PIPELINE, AUTH),
    ),
    Mutant(
        "a second 401 is sent again",
        _RUN,
        "if self.auth is None or progress.token_was_refused:",
        "if self.auth is None:",
        (AUTH,),
    ),
    Mutant(
        "a late 401 drops the new token",
        "_runtime/auth.py",
        "        if header == self._header:\n",
        "        if True:\n",
        (AUTH,),
    ),
    Mutant(
        "every waiter logs in",
        "_runtime/auth.py",
        "self._flight or self._begin(deadline)",
        "self._begin(deadline)",
        (AUTH,),
    ),
    Mutant(
        "a hurried call hurries the login of all",
        "_runtime/auth.py",
        "max(deadline, self._clock.monotonic() + self._patience)",
        "deadline",
        (AUTH,),
    ),
    Mutant(
        "a refusal is final while an attempt is open",
        _OUTCOME,
        "(_is_settled(error) and not in_doubt)",
        "_is_settled(error)",
        (MODEL, DAYS),
    ),
    Mutant(
        "an attempt that may arrive is forgotten",
        _RUN,
        "            progress.in_doubt = True\n",
        "            pass\n",
        (DAYS,),
    ),
    Mutant(
        "resent although the server has no memory",
        _RETRY,
        "Failure.LOST: (_SOON, _SOON, _SOON, _SOON, _RAISE)",
        "Failure.LOST: (_SOON, _SOON, _SOON, _SOON, _SOON)",
        (MODEL, DAYS),
    ),
    Mutant(
        "a certificate is tried again",
        _OUTCOME,
        'passing=failure.reason != "certificate"',
        "passing=True",
        (PIPELINE,),
    ),
    Mutant(
        "an unknown outcome is a success",
        "_runtime/settlement.py",
        "        if record is None:\n            raise error\n",
        "        if record is None:\n            return None\n",
        (DAYS,),
    ),
    Mutant(
        "adopted with another amount",
        "_sansio/settlement.py",
        '        ("amount", sought.amount, record.amount),\n',
        "",
        ("sansio/test_settlement.py",),
    ),
    Mutant(
        "any row is the right one",
        "_sansio/settlement.py",
        "        if record.merchant_order_no == sought.order_no:\n",
        "        if True:\n",
        (DAYS, "sansio/test_settlement.py"),
    ),
    Mutant(
        "no positive control",
        "_runtime/settlement.py",
        "return positive.record is not None and negative.record is None",
        "return negative.record is None",
        (CAUSES,),
    ),
    Mutant(
        "absent before the settle time",
        "_sansio/settlement.py",
        "complete and control and now >= sent_at + wait",
        "complete and control",
        (MODEL, CAUSES),
    ),
    Mutant(
        "one look is proof of absence",
        "settle.py",
        "if again.record is None and again.complete:",
        "if True:",
        (CAUSES,),
    ),
    Mutant(
        "an unfinished look is proof of absence",
        "_sansio/settlement.py",
        "return complete and control and",
        "return control and",
        ("sansio/test_settlement.py",),
    ),
    Mutant(
        "settlement outlives the deadline",
        "_runtime/caller.py",
        "            end = started + settings.timeout - self._pipeline.clock.monotonic()\n",
        "            end = settings.timeout\n",
        (CAUSES,),
    ),
    Mutant(
        "the retry budget is ignored",
        _RUN,
        "        if not self.budget.pay(COST[step]):\n",
        "        if False:\n",
        (CAUSES,),
    ),
    Mutant(
        "Retry-After is undercut",
        _RETRY,
        "    return max(jitter * ceiling, 0.0 if hint is None else hint * (1.0 + jitter / 10))\n",
        "    return jitter * ceiling\n",
        ("sansio/test_retry.py",),
    ),
    Mutant(
        "only the call that was told pauses",
        _RUN,
        "                self.limiter.pause(error.retry_after)\n",
        "                pass\n",
        (CAUSES,),
    ),
    Mutant(
        "trouble lowers no limit",
        "_runtime/limiter.py",
        "        self._limit.trouble(self._clock.monotonic())\n",
        "        pass\n",
        (OVERLOAD,),
    ),
    Mutant(
        "calls without time are sent",
        _RUN,
        "remaining <= 0 or LEAST_LEFT > remaining < settings.timeout / 2",
        "remaining <= 0",
        (OVERLOAD,),
    ),
    Mutant(
        "a cancelled call keeps its place",
        "_runtime/limiter.py",
        "        if ticket.granted:\n            self.release()\n",
        "        if ticket.granted:\n            pass\n",
        (LIMITER,),
    ),
    Mutant(
        "an unknown outcome is no doubt",
        _RUN,
        "        if not isinstance(final, OutcomeUnknown | IdempotencyConflict):\n",
        "        if True:\n",
        (CAUSES,),
    ),
    Mutant(
        "bulk: fresh order number on each attempt",
        "bulk/driver.py",
        "entry.payload, entry.order_no, secrets)",
        'entry.payload, entry.order_no[:-1] + "ABCDEFGH"[entry.sends % 8], secrets)',
        (ISSUE,),
    ),
    Mutant(
        "bulk: a network error is a failure",
        "bulk/driver.py",
        "else Event.REFUSED_IN_DOUBT\n    return Event.LOST",
        "else Event.REFUSED_IN_DOUBT\n    return Event.FAILED",
        (ISSUE,),
    ),
    Mutant(
        "bulk: 5xx is a refusal",
        "bulk/driver.py",
        "        if isinstance(cause, ApiError) and cause.final:\n",
        "        if isinstance(cause, ApiError):\n",
        (ISSUE,),
    ),
    Mutant(
        "bulk: a duplicate is a success",
        "bulk/driver.py",
        "        return Event.DUPLICATE\n",
        "        return Event.SUCCEEDED\n",
        (LOOK_UPS,),
    ),
    Mutant(
        "bulk: a refusal is believed without a look",
        "bulk/driver.py",
        "        return None if entry.open == 1 else Event.REFUSED_IN_DOUBT\n",
        "        return Event.REFUSED\n",
        (LOOK_UPS,),
    ),
    Mutant(
        "bulk: no commit before the request",
        "bulk/driver.py",
        "        await self._journal.commit(intents)\n",
        "        for intent in intents:\n            self._journal.record(intent)\n",
        (ISSUE,),
    ),
    Mutant(
        "bulk: the intent is written after the request",
        "bulk/driver.py",
        "        await self._journal.commit(intents)\n",
        "",
        (ISSUE,),
    ),
    Mutant(
        "bulk: sending goes on after a failed commit",
        "bulk/driver.py",
        "        self._journal.check()\n",
        "",
        (ENDINGS,),
    ),
    Mutant(
        "bulk: no lock",
        "bulk/lock.py",
        "                lock_file(fd)\n",
        "                pass\n",
        (LOCK,),
    ),
    Mutant(
        "bulk: the rows are not compared",
        "bulk/planning.py",
        "        self._digest.update(_line(entry))\n",
        "",
        (ENDINGS, PLAN),
    ),
    Mutant(
        "bulk: any mark will do",
        "bulk/marks.py",
        "found.digest == digest else None",
        "found.digest else None",
        ("top/bulk/test_marks.py",),
    ),
    Mutant(
        "bulk: any file will do",
        "bulk/marks.py",
        "found.file == file else None",
        "found.file else None",
        ("top/bulk/test_marks.py",),
    ),
    Mutant(
        "bulk: a digest of card numbers is kept",
        "bulk/planning.py",
        "        if not digest:  # a secret",
        "        if False:  # a secret",
        ("top/bulk/test_marks.py",),
    ),
    Mutant(
        "bulk: sent again after the server may have forgotten",
        "bulk/windows.py",
        'policy.dedupe != "none" and remembered(entry, now, policy.windows)',
        'policy.dedupe != "none"',
        (WINDOWS,),
    ),
    Mutant(
        "bulk: sent again although the server does not refuse repeats",
        "bulk/windows.py",
        'policy.dedupe != "none" and remembered',
        "remembered",
        (WINDOWS,),
    ),
    Mutant(
        "bulk: absence without controls",
        "bulk/driver.py",
        "            if not await controls_hold(self.client, self._operation):\n",
        "            if False:\n",
        (WINDOWS,),
    ),
    Mutant(
        "bulk: one look is proof of absence",
        "bulk/driver.py",
        "        return (await look_up(self.client, entry.order_no)).absent\n",
        "        return True\n",
        (WINDOWS,),
    ),
    Mutant(
        "bulk: absence before all has drained",
        "bulk/driver.py",
        "        if not drained(entry, began, self.policy.windows):\n            return False\n",
        "",
        (WINDOWS,),
    ),
    Mutant(
        "bulk: the drain begins with the intent",
        "bulk/plan.py",
        "    if event in _GIVES_UP:\n",
        "    if False:\n",
        (WINDOWS,),
    ),
    Mutant(
        "bulk: the clock on the wall alone proves that time has passed",
        "bulk/driver.py",
        "        waited = driver.waited(self._given_up_at)\n",
        "        waited = True\n",
        (WINDOWS,),
    ),
    Mutant(
        "bulk: rows of one card at once",
        "bulk/statements.py",
        "    if in_turn:\n",
        "    if False:\n",
        (OPERATIONS,),
    ),
    Mutant(
        "bulk: an older change wins",
        "bulk/journal.py",
        "                latest[entry.seq] = entry\n",
        "                latest.setdefault(entry.seq, entry)\n",
        (JOURNAL,),
    ),
    Mutant(
        "bulk: another order is adopted",
        "bulk/plan.py",
        "    if _others(entry, answer, kind):\n",
        "    if False:\n",
        (LOOK_UPS,),
    ),
    Mutant(
        "bulk: every intent is written as a first one",
        "bulk/statements.py",
        "entry.sends == 1 and _UNTOUCHED_OF(entry) == _UNTOUCHED",
        "True",
        (JOURNAL,),
    ),
    Mutant(
        "bulk: a failure after a success is believed",
        "bulk/plan.py",
        "        if entry.message == PROMISED:\n            return",
        "        if False:\n            return",
        (PLAN, "top/bulk/test_accepted.py"),
    ),
    Mutant(
        "bulk: a child goes on with the parent's journal",
        "bulk/journal.py",
        "        if os.getpid() != self._pid:\n",
        "        if False:\n",
        (LOCK,),
    ),
    Mutant(
        "bulk: sent without its card number",
        "bulk/driver.py",
        "if name not in secrets]:",
        "if False]:",
        ("top/bulk/test_engine.py",),
    ),
    Mutant(
        "a row is delivered again",
        _SEEN,
        "        if key in self._keys or",
        "        if False or",
        (PAGES, "sansio/test_seen.py"),
    ),
    Mutant(
        "what was forgotten is guessed to be new",
        _SEEN,
        "        if self._forgotten is not None and self._behind(time, self._forgotten):\n",
        "        if False:\n",
        ("sansio/test_seen.py",),
    ),
    Mutant(
        "keys of the newest millisecond are forgotten",
        _SEEN,
        "            and self._recent[0][0] != self._edge\n",
        "",
        ("sansio/test_seen.py",),
    ),
    Mutant(
        "an empty page is the end",
        _WALK,
        "        if self._skipped + self.rows >= page.total:\n            return Step.END\n",
        "        if True:\n            return Step.END\n",
        (PAGES,),
    ),
    Mutant(
        "the end of the window is not frozen",
        _WALK,
        "            self.end = times[0] + 1\n",
        "            pass\n",
        (PAGES,),
    ),
    Mutant(
        "the end is frozen at the wrong end",
        _WALK,
        "        if falling and times[0] > times[-1]:\n",
        "        if True:\n",
        (PAGES,),
    ),
    Mutant(
        "a repeated page goes on for ever",
        _WALK,
        "        if self._repeats >= _MOST_REPEATS:\n",
        "        if False:\n",
        (PAGES,),
    ),
    Mutant(
        "pages have no cap",
        _WALK,
        "        if self._read >= 2 * -(-self._total // self._per_page) + _SPARE_PAGES:\n",
        "        if self._read >= 500:\n",
        (PAGES,),
    ),
    Mutant(
        "a token forgets what was delivered",
        "_runtime/paginator.py",
        "            near = seen.digests(seen.edge, end)\n",
        "            near: list[str] = []\n",
        (PAGES,),
    ),
    Mutant(
        "a full page is a whole slice",
        _SLICES,
        "    if count >= size:\n        return Verdict.OVERFULL\n",
        "    if count >= size and total > count:\n        return Verdict.OVERFULL\n",
        ("sansio/test_slices.py", f"{LISTS}[stale totals]"),
    ),
    Mutant(
        "slices meet at limits that may not count in",
        _SLICES,
        "        return max(0, self.since - 1), self.until\n",
        "        return self.since, None if self.until is None else self.until - 1\n",
        (EXPORT,),
    ),
    Mutant(
        "a slice keeps its neighbours' rows",
        _READER,
        "            return span.owns(time)\n",
        "            return True\n",
        (EXPORT, LISTS),
    ),
    Mutant(
        "no second look where counts disagree",
        _READER,
        "            return await self._look_again(span, page)\n",
        "            return self._outcome(span, page.records)\n",
        (EXPORT,),
    ),
    Mutant(
        "a window that is ignored is believed",
        _READER,
        '                raise ResponseMismatch("the server gave rows from outside the window")\n',
        "                pass\n",
        (EXPORT,),
    ),
    Mutant(
        "a piece counts as delivered before it is",
        "_runtime/export.py",
        "            if outcome.records:\n",
        "            self._token = after\n            if outcome.records:\n",
        (EXPORT,),
    ),
    Mutant(
        "a follower forgets too early",
        "_runtime/follow.py",
        "        oldest = self._newest - self._overlap - 1\n",
        "        oldest = self._newest\n",
        (FOLLOW,),
    ),
    Mutant(
        "the checkpoint is written before the rows",
        _SAVE,
        "                spool.write(row_of(record, columns) for record in piece.records)\n",
        "                commit(piece.checkpoint)\n"
        "                spool.write(row_of(record, columns) for record in piece.records)\n",
        (FILES,),
    ),
    Mutant(
        "what stands behind the checkpoint is kept",
        _SPOOL,
        "            os.ftruncate(self._fd, self.size)\n",
        "",
        (FILES,),
    ),
    Mutant(
        "half a file under the final name",
        _SAVE,
        '    made = spool.target.with_name(f"{spool.target.name}.new")\n',
        "    made = spool.target\n",
        (FILES,),
    ),
    Mutant(
        "two runs write one file",
        _SPOOL,
        "            self._lock()\n",
        "",
        (FILES,),
    ),
    Mutant(
        "an amount goes through a float",
        "exports/excel.py",
        'column.kind in ("money", "integer") and fits_a_cell(str(value))',
        'column.kind in ("money", "integer")',
        ("top/exports/test_writers.py",),
    ),
    Mutant(
        "absence at an end of the window is missed",
        "reconcile.py",
        "            if self._at_the_edge(expected):\n",
        "            if False:\n",
        ("top/test_reconcile.py",),
    ),
    Mutant(
        "no time is kept for settling",
        _RETRY,
        "    return min(SETTLING_MOST, SETTLING_SHARE * seconds)\n",
        "    return 0.0\n",
        ("client/test_settlement.py",),
    ),
    Mutant(
        "reads fill the line of the money",
        "_runtime/limiter.py",
        "        if len(line) >= self._most_waiting:\n",
        "        if sum(map(len, self._lanes)) >= self._most_waiting:\n",
        (LIMITER,),
    ),
    Mutant(
        "a cancel scope around a call is not heeded",
        "_runtime/deadline.py",
        "    return min(timeout, end - anyio.current_time() - MARGIN)\n",
        "    return timeout\n",
        ("runtime/test_deadline.py",),
    ),
    Mutant(
        "a call from another loop is prepared",
        _RUN,
        "        self.home.enter()\n        settings",
        "        settings",
        ("runtime/test_home.py",),
    ),
    Mutant(
        "any depth is decoded",
        "_sansio/envelope.py",
        "    if _TOO_MANY.search(brackets):\n        return True\n"
        "    return max(accumulate(map(_STEP, brackets)), default=0) > MAX_DEPTH\n",
        "    return False\n",
        ("sansio/test_envelope.py",),
    ),
    Mutant(
        "a reply stands in a traceback",
        "_sansio/envelope.py",
        "    del body\n",
        "",
        ("leaks",),
    ),
    Mutant(
        "the token stands in a traceback",
        "_runtime/auth.py",
        "    return Quiet(f",
        "    return str(f",
        ("leaks",),
    ),
    Mutant(
        "a PIN stands in a traceback",
        "_generated/resources/cards.py",
        "        pin = as_secret(pin)\n"
        "        return await self._caller.call(\n            ops.UPDATE_PIN",
        "        return await self._caller.call(\n            ops.UPDATE_PIN",
        ("leaks",),
    ),
    Mutant(
        "the server may repeat a PIN in an error",
        "_sansio/responses.py",
        '        text = text.replace(secret.reveal(), "[secret]")\n',
        "        pass\n",
        ("leaks",),
    ),
    Mutant(
        "a status that aiohttp made up is the server's",
        _SESSION,
        _SORTED,
        "                if isinstance(error, aiohttp.ClientResponseError):\n"
        '                    return HttpResponse(error.status, {}, b"")\n' + _SORTED,
        (wire("HTTP"),),
    ),
    Mutant(
        "a body cut short is whole",
        _SESSION,
        "    async for chunk in response.content.iter_any():\n",
        "    async def forgiving():\n        try:\n"
        "            async for part in response.content.iter_any():\n                yield part\n"
        "        except aiohttp.ClientPayloadError:\n            pass\n\n"
        "    async for chunk in forgiving():\n",
        (wire("The connection"),),
    ),
    Mutant(
        "a reset proves that nothing was sent",
        _SESSION,
        _SORTED,
        "                unsent = isinstance(error, aiohttp.ClientOSError)\n"
        "                failure = failure_of(error, sent=not unsent)\n",
        (wire("The connection"),),
    ),
    Mutant(
        "what failed before sending was sent",
        _SESSION,
        _SORTED,
        "                failure = failure_of(error, sent=True)\n",
        (wire("Before the request"),),
    ),
    Mutant(
        "an answer nobody asked for is believed",
        _SESSION,
        "        if conn.protocol is not None and conn.protocol.should_close:\n",
        "        if False:\n",
        (SINGLE,),
    ),
    Mutant(
        "a cancelled call is a lost connection",
        _SESSION,
        "            except Exception as error:",
        "            except BaseException as error:",
        (CANCEL,),
    ),
    Mutant(
        "a body has no bound",
        _SESSION,
        "        if chunks.size > most:\n",
        "        if False:\n",
        (wire("HTTP"),),
    ),
    Mutant(
        "a cancelled order is forgotten",
        _RUN,
        "                self.doubts.add(prepared)\n",
        "                pass\n",
        (CANCEL,),
    ),
    Mutant(
        "a key named twice is fine",
        _ANSWERS,
        "    if operation.mutates and repeats_a_key(response.body):\n",
        "    if False:\n",
        (wire("The body"),),
    ),
    Mutant(
        "an unknown code is a final refusal",
        _ANSWERS,
        "    final = row is not None and row.final and",
        "    final = (row is None or row.final) and",
        (wire("Refusals"),),
    ),
    Mutant(
        "a redirect is a refusal like any other",
        _ANSWERS,
        "    if 300 <= status < 400:\n",
        "    if False:\n",
        (wire("Redirects"),),
    ),
    Mutant(
        "a closed client is asked to the end",
        "_runtime/settlement.py",
        "            except UsageError:\n                return None",
        "            except NotImplementedError:\n                return None",
        ("wirefaults/test_out_of_place.py",),
    ),
    Mutant(
        "a balance read during a deposit counts",
        "watch/card.py",
        "return self.mutating == 0 and self.version == version",
        "return True",
        (WATCH,),
    ),
    Mutant(
        "a late consumer sees an old balance",
        "watch/changes.py",
        "            self._changes[change.card_no] = msgspec.structs.replace(",
        "            _ = msgspec.structs.replace(",
        (WATCH,),
    ),
    Mutant(
        "a hint during a read is lost",
        "watch/crew.py",
        "            card.again = True\n",
        "            pass\n",
        (WATCH,),
    ),
    Mutant(
        "a sweep goes before money",
        "watch/watcher.py",
        "lane=Lane.BACKGROUND",
        "lane=Lane.MONEY",
        ("top/watch/test_overload.py::test_money_does_not_wait_behind_a_sweep",),
    ),
    Mutant(
        "lean: a connection goes back although its answer is still to come",
        "_transports/line.py",
        "return self._waiter is None and not",
        "return not",
        (LINES,),
    ),
    Mutant(
        "lean: a connection that the server closes is kept",
        "_transports/line.py",
        "            if self._rest or not reader.reusable:",
        "            if self._rest:",
        (LINES,),
    ),
    Mutant(
        "lean: the rest of a request begins the next one",
        "_transports/line.py",
        "            if self._rest or not reader.reusable:",
        "            if not reader.reusable:",
        (LINES,),
    ),
    Mutant(
        "lean: what nobody asked for is kept for later",
        "_transports/line.py",
        "            self._transport.abort()\n            return\n        reader",
        "            self._reader.feed(self._buffer[:nbytes].tobytes())\n            return\n"
        "        reader",
        (LINES,),
    ),
    Mutant(
        "lean: a broken connection says nothing was sent",
        "_transports/line.py",
        'TransportFailure("lost", sent=True, detail="the connection broke")',
        'TransportFailure("lost", sent=False, detail="the connection broke")',
        ("transport/test_wire.py",),
    ),
    Mutant(
        "lean: a refused connection counts as sent",
        "_transports/lean.py",
        "            failure = failure_of(error, sent=False)\n",
        "            failure = failure_of(error, sent=True)\n",
        ("transport/test_wire.py",),
    ),
    Mutant(
        "lean: a timeout comes early",
        "_transports/wheel.py",
        "        number = int(deadline / SLOT) + 1\n",
        "        number = int(deadline / SLOT) - 1\n",
        ("lean/test_wheel.py", LINES),
    ),
    Mutant(
        "lean: bytes behind an answer are nothing",
        _REPLY,
        "            whole = self._read == len(self._head) + self._size\n",
        "            whole = self._done\n",
        (READER,),
    ),
    Mutant(
        "lean: a second answer in one read is nothing",
        _REPLY,
        '            self._refuse("more was sent than one reply")\n\n    def on_body',
        "            pass\n\n    def on_body",
        (READER,),
    ),
    Mutant(
        "lean: two lengths are one",
        _REPLY,
        "        self._parser = HttpResponseParser(self)\n",
        "        self._parser = HttpResponseParser(self)\n"
        "        self._parser.set_dangerous_leniencies(lenient_chunked_length=True)\n",
        (READER,),
    ),
    Mutant(
        "lean: any coding is none",
        _REPLY,
        '        elif b"-encoding" in (lower := head.lower()):\n',
        '        elif b"no-encoding" in (lower := head.lower()):\n',
        (READER, wire("HTTP", "lean")),
    ),
    Mutant(
        "lean: a body without end has no bound",
        _REPLY,
        "        if self._size > self._most:\n",
        "        if False:\n",
        (READER,),
    ),
    Mutant(
        "lean: a cut body is whole",
        _REPLY,
        "        if self.fault is None and self._head and not bounded:\n",
        "        if self.fault is None and self._head:\n",
        (READER,),
    ),
    Mutant(
        "lean: a head is kept for headers that changed",
        "_transports/request.py",
        "            if isinstance(request.headers, MappingProxyType):",
        "            if request.headers is not None:",
        (LINES,),
    ),
    Mutant(
        "an old token is sent on",
        "_runtime/headers.py",
        "        if authorization != self._authorization or len(self._made) > _MOST:\n",
        "        if len(self._made) > _MOST:\n",
        (AUTH, PIPELINE),
    ),
    Mutant(
        "an amount with an exponent is an amount",
        "_sansio/exact.py",
        "        if not (_is_plain(raws) or",
        "        if not (True or",
        ("sansio/test_money.py",),
    ),
    Mutant(
        "rows in a row hide depth",
        "_sansio/envelope.py",
        "opening - rows <= MAX_DEPTH",
        'opening - bounds.count(b"{") <= MAX_DEPTH',
        ("sansio/test_envelope.py",),
    ),
    Mutant(
        "a place is free while others wait",
        "_runtime/limiter.py",
        "            or self._waiting\n",
        "            or False\n",
        ("runtime/test_hot_path.py",),
    ),
    Mutant(
        "postgres: an old epoch may write",
        "bulk/postgres/statements.py",
        "AND epoch = $3\n        RETURNING",
        "AND epoch <> -$3\n        RETURNING",
        ("top/postgres/test_lease.py::test_the_epoch_alone_keeps_a_late_writer_out",),
    ),
    Mutant(
        "postgres: taking rows raises no epoch",
        "bulk/postgres/lease.py",
        "SET epoch = epoch + 1,",
        "SET epoch = epoch,",
        ("top/postgres/test_lease.py::test_everyone_who_takes_rows_raises_their_epochs",),
    ),
    Mutant(
        "postgres: a lease is believed for ever",
        "bulk/postgres/lease.py",
        "return self.clock() - self.beat < self.lease * TRUSTED",
        "return True",
        ("top/postgres/test_lease.py::test_a_process_that_was_held_up_halts",),
    ),
    Mutant(
        "postgres: no last look before the first byte",
        "bulk/postgres/rate.py",
        "            self._check()\n",
        "            pass\n",
        ("top/postgres/test_chunks.py::test_paused_before_the_last_check",),
    ),
    Mutant(
        "postgres: commits that do not wait for the disk",
        "bulk/postgres/connect.py",
        '    "SET synchronous_commit = on",\n',
        "",
        ("top/postgres/test_failures.py::test_commits_are_durable_whatever_the_role_says",),
    ),
    Mutant(
        "a creation without a number is sent again",
        _RETRY,
        'return "none" if operation.order_number is None else policy.dedupe',
        "return policy.dedupe",
        ("client/test_accounts.py",),
    ),
    Mutant(
        "any bare word is a transfer",
        "_sansio/responses.py",
        'data.strip() == b"true"',
        'data.strip() in (b"true", b"false", b"null")',
        ("client/test_accounts.py",),
    ),
    Mutant(
        "a number in doubt is anybody's",
        _RUN,
        "in_doubt = mutates and self.doubts.check(prepared)",
        "in_doubt = prepared.order_no in self.doubts._open",
        (DOUBTS,),
    ),
    Mutant(
        "a number in doubt is looked at once only",
        _DOUBTS,
        "call.order_no is None or self.check(call)",
        "call.order_no is None or call.order_no in self._open",
        (DOUBTS,),
    ),
    Mutant(
        "who is refused a number ends its doubt",
        _RUN,
        "not isinstance(final, OutcomeUnknown | IdempotencyConflict)",
        "not isinstance(final, OutcomeUnknown)",
        (DOUBTS,),
    ),
    Mutant(
        "the last final status counts",
        "waiters.py",
        "        wait.contradiction = error\n",
        "        wait.record = record\n",
        ("top/webhooks/test_waiting.py",),
    ),
    Mutant(
        "card data may be long",
        "_sansio/operation.py",
        "        if not self.sealed:\n            return MAX_BODY_BYTES\n",
        "        if True:\n            return MAX_BODY_BYTES\n",
        (SIZES,),
    ),
    Mutant(
        "a quote in the block is the end of a text",
        "_sansio/sizes.py",
        "        if quote < 0 or ",
        "        if quote < 0 or False and ",
        (SIZES,),
    ),
    Mutant(
        "lean: the bound of a request is not heard of",
        "_transports/line.py",
        "self._reader.expect(most)",
        "self._reader.expect()",
        ("transport/test_wire.py",),
    ),
    Mutant(
        "the bound of a request is not heard of",
        _SESSION,
        "_read(response, request.most_bytes)",
        "_read(response, 1 << 23)",
        ("transport/test_wire.py",),
    ),
)

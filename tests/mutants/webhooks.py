"""Bugs in webhooks and secrets that let a forgery in, lose an event, or let a secret out."""

from __future__ import annotations

from typing import Final

from .table import Mutant

_VERIFY, _INBOX = "webhooks/verifier.py", "webhooks/inbox.py"
_READ, _SIGNED = "_sansio/webhook.py", "webhooks/test_verifier.py"
_KEPT, _ORDER, _EVENTS = (f"webhooks/test_{name}.py" for name in ("inbox", "order", "events"))
_STORES, _LEAKS = f"{_KEPT}::TestStores", "webhooks/test_leaks.py"
_WAITING, _SEALING = "top/webhooks/test_waiting.py", "crypto/test_sealing.py"
_REFUSE = "        if len(body) > MAX_EVENT_BYTES or not self._signed(given, body):\n"
_HANDLE = "                receipt = await self._handled(event, claim)\n"

WEBHOOK_MUTANTS: Final = (
    Mutant(
        "webhook: parse before verify",
        _VERIFY,
        _REFUSE,
        "        read_event(body, KINDS, ENVELOPE)\n" + _REFUSE,
        (_SIGNED,),
    ),
    Mutant(
        "webhook: any base64 is a signature",
        "_crypto/signing.py",
        'return raw if base64.b64encode(raw).decode("ascii") == text else None',
        "return raw",
        (_SIGNED,),
    ),
    Mutant(
        "webhook: one of two values of a header is enough",
        _VERIFY,
        "len(value) == 1 and verifies(keys, next(iter(value)), body) for value in values",
        "verifies(keys, one, body) for value in values for one in value",
        (_SIGNED,),
    ),
    Mutant(
        "webhook: no limit for a body",
        _VERIFY,
        "len(body) > MAX_EVENT_BYTES or not self._signed(given, body)",
        "not self._signed(given, body)",
        (_SIGNED,),
    ),
    Mutant(
        "webhook: an old key never ends",
        _VERIFY,
        " if now <= timed.not_after]",
        "]",
        (_SIGNED,),
    ),
    Mutant(
        "webhook: a header relabels an event",
        _READ,
        "    if kind is not None and shown is not None:\n",
        "    if False:\n",
        (_EVENTS,),
    ),
    Mutant(
        "webhook: a key twice",
        _READ,
        "    if repeats_a_key(body):\n",
        "    if False:\n",
        (_EVENTS,),
    ),
    Mutant(
        "webhook: a new label hides the next delivery",
        _READ,
        '(label or "").encode() + b"\\0" + body',
        "body",
        (_EVENTS,),
    ),
    Mutant(
        "inbox: done before the handler succeeded",
        _INBOX,
        _HANDLE,
        "                await self.store.finish(event.digest, token=claim.token, "
        "now=self._clock(), standing=None)\n" + _HANDLE,
        (_STORES,),
    ),
    Mutant(
        "inbox: a late status overwrites",
        "webhooks/store.py",
        "max(standing, self._known.get(subject, standing))",
        "standing",
        (_STORES,),
    ),
    Mutant(
        "inbox: a late status overwrites in SQLite",
        "webhooks/sqlite.py",
        "if known is None or known < standing:",
        "if True:",
        (_STORES,),
    ),
    Mutant(
        "inbox: late events are handed over",
        _INBOX,
        "            if standing.is_late_for(claim.known):\n",
        "            if False:\n",
        (_ORDER,),
    ),
    Mutant(
        "inbox: two handlers have one event",
        "webhooks/store.py",
        "if kept.lease_until > now or self._taken(entry, now):",
        "if False:",
        (_STORES,),
    ),
    Mutant(
        "inbox: what failed waits for its lease",
        "webhooks/store.py",
        "            kept.lease_until = 0.0\n",
        "            pass\n",
        (_STORES,),
    ),
    Mutant(
        "inbox: money events are not confirmed",
        _INBOX,
        "            event = await confirmed(self._client, event)\n",
        "            pass\n",
        (_KEPT,),
    ),
    Mutant(
        "inbox: the event's words count, not the query's",
        "webhooks/confirm.py",
        "replace(event, data=row, confirmed=True)",
        "replace(event, confirmed=True)",
        (_KEPT,),
    ),
    Mutant(
        "inbox: a query that is behind confirms",
        "webhooks/confirm.py",
        "if best is None or best[0].step < claimed.step:",
        "if best is None:",
        (_KEPT,),
    ),
    Mutant(
        "inbox: a done event keeps its body",
        "webhooks/sqlite.py",
        "lease_until = 0, body = x'', error = NULL",
        "lease_until = 0, error = NULL",
        (_LEAKS,),
    ),
    Mutant(
        "inbox: plain secrets are kept",
        _INBOX,
        "        body=kept_body(event),\n",
        "        body=event.raw,\n",
        (_LEAKS,),
    ),
    Mutant(
        "waiters: an unconfirmed webhook is believed",
        "waiters.py",
        "isinstance(event, OperationEvent) and event.confirmed",
        "isinstance(event, OperationEvent)",
        (_WAITING,),
    ),
    Mutant(
        "asgi: the whole body is read",
        "webhooks/asgi.py",
        "        if size > MAX_EVENT_BYTES:\n            return None\n",
        "",
        ("webhooks/test_asgi.py::test_an_endless_body_is_not_read_to_its_end",),
    ),
    Mutant(
        "secrets: no check of the shape",
        "_crypto/sealing.py",
        "    if text is None or not SHAPES[content](text):\n",
        "    if text is None:\n",
        (_SEALING,),
    ),
    Mutant(
        "secrets: short letters pass for a code",
        "_crypto/sealing.py",
        '"code": _matches(r"[0-9]{4,12}|[0-9A-Za-z]{8,12}"),',
        '"code": _matches(r"[0-9A-Za-z]{1,12}"),',
        (_SEALING,),
    ),
    Mutant(
        "secrets: nothing is overwritten",
        "_sansio/secret.py",
        "        self._bytes[:] = bytes(len(self._bytes))\n",
        "",
        ("crypto/test_rotation.py",),
    ),
    Mutant(
        "secrets: a key file that others write",
        "_crypto/files.py",
        "found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or any(map(_is_open, folders))",
        "any(map(_is_open, folders))",
        ("crypto/test_files.py",),
    ),
    Mutant(
        "secrets: a generated PIN that a server may refuse",
        "_sansio/rules.py",
        "return check_pin(pin) is None and not monotonic and not _ANY_REPEAT.search(pin)",
        "return check_pin(pin) is None",
        ("crypto/test_pins.py::test_the_strictest_reading",),
    ),
    Mutant(
        "sandbox: any 200 ends the retries",
        "sandbox/webhooks.py",
        '        said.get(name) == wanted[name] for name in ("success", "code")\n',
        "        True for _ in wanted\n",
        ("webhooks/test_sender.py",),
    ),
)

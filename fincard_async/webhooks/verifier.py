"""Is this from the platform? First the signature over the raw bytes, and only then the content.

Source: contract 4, 5, 9 rows 11-15; correctness 2.5.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from fincard_async._generated.events import (
    CATEGORY_HEADER,
    ENVELOPE,
    KINDS,
    REQUEST_ID_HEADER,
    SIGNATURE_HEADERS,
)
from fincard_async._sansio.webhook import MAX_EVENT_BYTES, Event, read_event
from fincard_async.errors import ArgumentTypeError, ConfigError, WebhookError, WebhookRefused

if TYPE_CHECKING:
    from fincard_async._crypto.keys import PublicKey

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]
"""Headers as frameworks give them: a mapping, or pairs of text or bytes (ASGI)."""

_REFUSED = "the webhook is not signed by the platform"
_MOST_LABEL = 128


@dataclass(frozen=True, slots=True)
class TimedKey:
    """A key of the platform that is accepted up to a moment: the old one of a rotation."""

    key: PublicKey | str | bytes
    not_after: float
    """Seconds since the epoch."""


AnyKey: TypeAlias = "PublicKey | TimedKey | str | bytes"


class WebhookVerifier:
    """Verifies webhooks and reads them.

    ::

        verifier = WebhookVerifier(PLATFORM_KEY)           # PEM, or base64 as the dashboard has it
        event = verifier.verify(request.headers, raw_body)

    Args:
        keys: The platform's public key, or several: PEM, DER, bare base64, a ``PublicKey``, or a
            ``TimedKey`` for one that is on its way out. Keys of 1024 bits are in use and accepted,
            with a ``WeakKeyWarning``.
        clock: Seconds since the epoch, for ``TimedKey``.

    There is one algorithm, RSASSA-PKCS1-v1_5 with SHA-256; no header can choose another.

    Raises:
        ConfigError: There is no key, or one cannot be read: without a key nothing is accepted.
    """

    def __init__(
        self, keys: AnyKey | Sequence[AnyKey], *, clock: Callable[[], float] = time.time
    ) -> None:
        alone = isinstance(keys, str | bytes) or not isinstance(keys, Sequence)
        self._keys = [_timed(key) for key in cast("Sequence[AnyKey]", [keys] if alone else keys)]
        self._clock = clock
        if not self._keys:
            raise ConfigError("a webhook verifier needs a public key of the platform")

    @classmethod
    def from_env(
        cls, name: str = "FINCARD_WEBHOOK_KEY", environ: Mapping[str, str] | None = None
    ) -> WebhookVerifier:
        """A verifier with the key that a variable holds, or the files that it names.

        Raises:
            ConfigError: The variable is not set, or leads to no usable key.
        """
        from fincard_async._crypto.sources import public_keys_from

        text = (os.environ if environ is None else environ).get(name)
        if not text:
            raise ConfigError(f"{name} is not set")
        return cls(public_keys_from(text))

    def verify(self, headers: Headers, raw_body: bytes) -> Event:
        """Check the signature, then read the event.

        Args:
            headers: All headers of the request; case does not matter.
            raw_body: The body as it arrived. Not parsed, not decoded: JSON that was read and
                written again has other bytes, and the signature is over the bytes.

        Raises:
            ArgumentTypeError: The body is text or an object.
            WebhookRefused: It is not proven that the platform sent it. One message for all causes.
            WebhookUnreadable: The platform sent it, but it is not what its category promises.
        """
        if not isinstance(raw_body, bytes | bytearray | memoryview):
            raise ArgumentTypeError(
                f"raw_body must be the bytes as they arrived, not {type(raw_body).__name__}:"
                " JSON that was parsed and written again has other bytes, and the signature is"
                " over the bytes"
            )
        try:
            found: Event | WebhookError = self._read(_given(headers), bytes(raw_body))
        except WebhookError as error:
            found = error
        del headers, raw_body  # a raised error shows the variables of its frames
        if isinstance(found, WebhookError):
            raise found.with_traceback(None) from None
        return found

    def _read(self, given: Mapping[str, set[str]], body: bytes) -> Event:
        if len(body) > MAX_EVENT_BYTES or not self._signed(given, body):
            raise WebhookRefused(_REFUSED)
        return read_event(
            body,
            KINDS,
            ENVELOPE,
            category=_label(given, CATEGORY_HEADER),
            request_id=_label(given, REQUEST_ID_HEADER),
        )

    def _signed(self, given: Mapping[str, set[str]], body: bytes) -> bool:
        """True if one of the headers holds a signature of one of the keys that still count.

        A header that comes twice with two values is ambiguous: neither is taken.
        """
        from fincard_async._crypto.signing import verifies

        now = self._clock()
        keys = [timed.key for timed in self._keys if now <= timed.not_after]
        values = [given.get(name.lower(), set()) for name in SIGNATURE_HEADERS]
        return any(len(value) == 1 and verifies(keys, next(iter(value)), body) for value in values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<{len(self._keys)} keys>)"


@dataclass(frozen=True, slots=True)
class _Timed:
    key: PublicKey
    not_after: float


def _timed(given: AnyKey) -> _Timed:
    from fincard_async._crypto.keys import PublicKey

    key, until = (given.key, given.not_after) if isinstance(given, TimedKey) else (given, None)
    parsed = key if isinstance(key, PublicKey) else PublicKey.parse(key)
    return _Timed(parsed, float("inf") if until is None else until)


def _given(headers: Headers) -> dict[str, set[str]]:
    """The values of each header, by its name in lower case."""
    whole = headers.items() if isinstance(headers, Mapping) else headers
    pairs = cast("Iterable[tuple[str | bytes, str | bytes]]", whole)
    found: dict[str, set[str]] = {}
    for name, value in pairs:
        found.setdefault(_latin(name).lower(), set()).add(_latin(value))
    return found


def _latin(text: str | bytes) -> str:
    return text.decode("latin-1") if isinstance(text, bytes) else str(text)


def _label(given: Mapping[str, set[str]], name: str) -> str | None:
    """An unsigned header that only names something: one short printable word, or nothing."""
    values = given.get(name.lower(), set())
    text = next(iter(values)).strip() if len(values) == 1 else ""
    return text if 0 < len(text) <= _MOST_LABEL and text.isascii() and text.isprintable() else None

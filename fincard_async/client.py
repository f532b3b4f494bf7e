"""The client: the one place where the runtime meets its adapters."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, cast, overload

import msgspec

from ._generated.resources_index import Resources
from ._generated.wire import CONTEXT_HEADERS, REFUSALS
from ._runtime.auth import Authorization, FixedToken, LoginToken
from ._runtime.caller import PipelineCaller
from ._runtime.credentials import Auth, BearerToken, token_in
from ._runtime.doubts import Doubts, InDoubt
from ._runtime.hooks import Observer, Observers
from ._runtime.limiter import Limiter
from ._runtime.mutations import Mutations
from ._runtime.pipeline import Pipeline, Settings, merge
from ._runtime.ports import Clock, Entropy, Gate, SystemClock, SystemEntropy, Transport
from ._sansio.base_url import parse_origin
from ._sansio.budget import RetryBudget
from ._sansio.headers import check_value, context_headers, is_token
from ._sansio.options import CallOptions, Lane, Limits, RequestContext, RetryPolicy
from ._sansio.secret import Sealed, as_secret
from ._sansio.token import Token, make_token
from ._transports.home import Home
from .errors import ConfigError, Unauthenticated

if TYPE_CHECKING:
    import ssl

    import aiohttp

    from ._crypto.opening import CardKey, CardSecrets
    from ._generated.events import ThreeDsEvent
    from ._generated.models.auth import LoginReply
    from ._generated.models.cards import SensitiveCard
    from ._generated.models.transactions import ThreeDsRecord
    from ._runtime.settlement import Settler
    from ._sansio.secret import Opened

_BODY_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


class Core(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """What every view of a client shares."""

    origin: str
    tenant_id: str
    transport: Transport
    home: Home
    card_keys: tuple[CardKey, ...]

    def __repr__(self) -> str:
        return f"Core(origin={self.origin!r})"  # a key of the caller's own may show what it holds


class FincardClient(Resources):
    """Calls the FinCard Virtual API; one per event loop, shared by all tasks.

    Use it as ``async with FincardClient(...) as client``, or call ``aclose()`` at the end. Every
    endpoint is a method of a resource: ``client.cards.open(...)``,
    ``client.transactions.operations()``.

    Args:
        base_url: Origin of the server, such as ``https://sandbox.finhub.cloud``; https, or http on
            loopback. There is no default, because the same credentials may work in production.
        auth: ``SessionLogin``, ``PasswordLogin`` or ``BearerToken`` (contract 1.3).
        tenant_id: The tenant, sent as a header with every call (contract 1.4).
        context: Who is calling, for the other context headers.
        card_key: The merchant's RSA private key, or a ``RemoteKey`` in a key service, or several of
            them while one is being replaced by another; needed by ``unseal`` only.
        retry: How often and how patiently a failed attempt is repeated.
        limits: Calls in flight and per second.
        timeout: Seconds for one call: login, limits, every attempt and every pause.
        session: An aiohttp session of the caller's own; it stays open when the client closes.
        observers: Called at four points of every call; see ``fincard_async.hooks``.
        proxy: URL of an HTTP proxy. Proxies from the environment are not used.
        ssl_context: For a custom certificate authority or a client certificate.
        money_as: ``"number"`` or ``"string"``: how amounts are written (contract 9, row 7).
        transport: Carries calls in place of aiohttp, such as an in-process sandbox.
        clock: Time; for tests.
        entropy: Randomness; for tests.

    Raises:
        ConfigError: A setting cannot be used; nothing was sent.
    """

    def __init__(
        self,
        *,
        base_url: str,
        auth: Auth,
        tenant_id: str,
        context: RequestContext | None = None,
        card_key: CardKey | Sequence[CardKey] | None = None,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        timeout: float = 30.0,
        session: aiohttp.ClientSession | None = None,
        observers: Sequence[Observer] = (),
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        money_as: str = "number",
        transport: Transport | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        origin = parse_origin(base_url)
        if not timeout > 0:
            raise ConfigError("timeout must be more than 0 seconds")
        if money_as not in ("number", "string"):
            raise ConfigError('money_as must be "number" or "string"')
        if transport is None:
            from ._transports.choice import choose

            transport = choose(
                origin, session=session, ssl_context=ssl_context, proxy=proxy, environ=os.environ
            )
        clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
        retry = retry or RetryPolicy()
        headers = {
            **_BODY_HEADERS,
            CONTEXT_HEADERS["tenant_id"]: check_value("tenant_id", tenant_id),
            **context_headers(context or RequestContext(), CONTEXT_HEADERS),
        }
        # A login never waits behind the calls that wait for it, so it has limits of its own.
        home = Home()
        outside = Pipeline(
            transport=transport,
            home=home,
            auth=None,
            limiter=Limiter(Limits(), clock),
            budget=RetryBudget(),
            doubts=Doubts(),
            mutations=Mutations(),
            clock=clock,
            entropy=entropy,
            observers=Observers(observers),
            refusals=REFUSALS,
            settings=Settings(headers=headers, timeout=timeout, retry=retry, money_as=money_as),
        )
        self._core = Core(origin, tenant_id, transport, home, _all_keys(card_key))
        self._pipeline = replace(
            outside,
            auth=_authorization(auth, tenant_id, outside),
            limiter=Limiter(limits or Limits(), clock),
        )
        self._owner = True

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, *, profile: str | None = None
    ) -> FincardClient:
        """Make a client from ``FINCARD_...`` variables and profiles; see ``fincard_async.config``.

        Raises:
            ConfigError: A setting is missing or wrong; the message names the variable.
        """
        from .config import load_settings

        settings = load_settings(os.environ if environ is None else environ, profile)
        keys: list[CardKey] = []
        if settings.card_key is not None:
            from ._crypto.sources import keys_from

            keys += keys_from(
                settings.card_key, settings.card_key_password, settings.card_key_padding
            )
        return cls(
            base_url=settings.base_url,
            auth=settings.auth,
            tenant_id=settings.tenant_id,
            context=settings.context,
            card_key=keys,
            timeout=settings.timeout or 30.0,
        )

    def with_options(
        self,
        *,
        context: RequestContext | None = None,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        lane: Lane | None = None,
        gate: Gate | None = None,
    ) -> FincardClient:
        """A view with other settings on the same connections, login and limits.

        Closing the view closes nothing; the client it came from stays the owner.

        Args:
            context: Who is calling.
            timeout: Seconds for one call.
            retry: How often and how patiently a failed attempt is repeated.
            lane: Who goes first when calls wait for a place.
            gate: Asked right before every attempt of this view, such as a rate that several
                machines share.
        """
        options = CallOptions(context=context, timeout=timeout, retry=retry, lane=lane)
        view = object.__new__(type(self))
        view._core = self._core
        view._pipeline = replace(
            self._pipeline,
            settings=merge(self._pipeline.settings, options),
            gate=gate or self._pipeline.gate,
        )
        view._owner = False
        return view

    @overload
    async def unseal(self, sealed: SensitiveCard) -> CardSecrets: ...
    @overload
    async def unseal(self, sealed: ThreeDsRecord | ThreeDsEvent | Sealed) -> Opened: ...
    @overload
    async def unseal(self, sealed: Sequence[ThreeDsRecord]) -> list[Opened]: ...
    async def unseal(
        self,
        sealed: SensitiveCard | ThreeDsRecord | ThreeDsEvent | Sealed | Sequence[ThreeDsRecord],
    ) -> CardSecrets | Opened | list[Opened]:
        """Open sealed values with the merchant's key; nothing is sent.

        More than two blocks are opened in a worker thread. What comes out can be overwritten after
        use, best effort: ``with await client.unseal(card) as secrets: ...``.

        Args:
            sealed: The answer of ``cards.get_sensitive``, a row or some rows of
                ``transactions.three_ds``, a 3DS webhook, or a single value. All but the last are
                checked for the shape of what they hold; a single value only for being text, so
                prefer the whole record.

        Raises:
            ConfigError: The client has no ``card_key``.
            UnsealError: A value does not open with this key, nor with another one given.
        """
        from ._crypto import opening
        from ._generated.events import ThreeDsEvent
        from ._generated.models.cards import SensitiveCard
        from ._generated.models.transactions import ThreeDsRecord

        if not (keys := self._core.card_keys):
            raise ConfigError("card_key is not set (FINCARD_CARD_KEY): it opens sealed values")
        if isinstance(sealed, Sealed):
            return (await opening.open_all(keys, [(sealed, "text")]))[0]
        if isinstance(sealed, SensitiveCard):
            return await opening.open_card(keys, sealed)
        if isinstance(sealed, ThreeDsEvent):
            sealed = sealed.data
        if isinstance(sealed, ThreeDsRecord):
            return (await opening.open_three_ds(keys, [sealed]))[0]
        return await opening.open_three_ds(keys, sealed)

    @property
    def origin(self) -> str:
        """Where calls go: ``scheme://host[:port]``."""
        return self._core.origin

    @property
    def transport_kind(self) -> str:
        """What carries the calls, and why: for logs and support cases.

        ``LeanTransport`` where the extra ``speedups`` is installed and nothing unusual was asked
        for, else ``SessionTransport`` with the reason. ``FINCARD_TRANSPORT=session`` in the
        environment takes the second one in any case.
        """
        transport = self._core.transport
        reason = getattr(transport, "reason", "")
        return type(transport).__name__ + (f": {reason}" if reason else "")

    @property
    def tenant_id(self) -> str:
        """The tenant on whose behalf calls are made."""
        return self._core.tenant_id

    def in_doubt(self) -> tuple[InDoubt, ...]:
        """Mutations that were sent and did not end in a known way, the oldest first.

        In flight, cancelled, or ended as ``OutcomeUnknown``. ``settle`` tells what became of one.
        """
        return self._pipeline.doubts.all()

    async def aclose(self) -> None:
        """Close every connection. Calls still in flight end as ``ConnectionLost``.

        In a forked child this only ends the child's use: the connections are the parent's.
        """
        if self._owner and await self._core.home.aclose():
            await self._core.transport.aclose()

    async def __aenter__(self) -> FincardClient:
        self._core.home.enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.transport_kind})"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("a client cannot be copied or pickled")

    __copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = _refuse

    @property
    def _clock(self) -> Clock:
        return self._pipeline.clock

    @property
    def _limiter(self) -> Limiter:
        return self._pipeline.limiter

    @property
    def _mutations(self) -> Mutations:
        return self._pipeline.mutations

    def _settled(self, order_no: str) -> None:
        self._pipeline.doubts.clear(order_no)

    def _settler(self) -> Settler:
        from ._runtime.settlement import Settler

        return Settler(self._pipeline)

    def _caller(self) -> PipelineCaller:
        return PipelineCaller(self._pipeline)


def _all_keys(given: CardKey | Sequence[CardKey] | None) -> tuple[CardKey, ...]:
    if given is None:
        return ()
    return tuple(given) if isinstance(given, Sequence) else (given,)


def _authorization(auth: Auth, tenant_id: str, outside: Pipeline) -> Authorization:
    if isinstance(auth, BearerToken):
        return FixedToken(as_secret(auth.token))
    login, clock = auth.request(tenant_id), outside.clock

    async def fetch(deadline: float) -> Token:
        options = CallOptions(timeout=max(deadline - clock.monotonic(), 0.001))
        reply = await outside.run(login.operation, login.request, options, login.path)
        found = token_in(cast("LoginReply", reply))
        if found is None or not is_token(found[0].reveal()):
            text = "the login was refused, or its answer holds no token"
            raise Unauthenticated(text, final=True)
        return make_token(found[0].reveal(), found[1], clock.wall())

    return LoginToken(fetch, clock, outside.home, outside.settings.timeout)

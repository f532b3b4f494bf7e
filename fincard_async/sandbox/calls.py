"""Control calls by name: a method's signature is also the form of its JSON."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, get_type_hints

import msgspec

from fincard_async._sansio.codec import make_decoder
from fincard_async._sansio.envelope import too_deep
from fincard_async._sansio.money import Amount, Money

from .refusal import bad_parameter

P = ParamSpec("P")
R = TypeVar("R")
_MARK = "__control__"
_NAMES = {Amount: Money, Amount | None: Money | None}
"""How an argument's type is read from JSON, where that differs."""


class _Clockwork(Protocol):
    def tick(self) -> int: ...

    def note_control(self, name: str, arguments: object, at: int) -> None: ...


class _HasEngine(Protocol):
    _engine: Any


C = TypeVar("C", bound=_HasEngine)


def control(method: Callable[Concatenate[C, P], R]) -> Callable[Concatenate[C, P], R]:
    """Mark a control call: time moves up to now first, and the log has it when it returns."""
    signature = inspect.signature(method)

    @wraps(method)
    def carry_out(self: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
        engine: _Clockwork = self._engine
        at = engine.tick()
        result = method(self, *args, **kwargs)
        arguments = dict(signature.bind(self, *args, **kwargs).arguments)
        del arguments["self"]
        engine.note_control(method.__name__, arguments, at)
        return result

    setattr(carry_out, _MARK, True)
    return carry_out


@cache
def parameters_of(owner: type, name: str) -> Callable[[bytes], Mapping[str, object]] | None:
    """A reader of the arguments of a control call; None if there is no such call."""
    method = getattr(owner, name, None)
    if method is None or not getattr(method, _MARK, False):
        return None
    return _reader(method)


def _reader(method: Callable[..., object]) -> Callable[[bytes], Mapping[str, object]]:
    hints = get_type_hints(method)
    fields = [
        (name, _NAMES.get(hints[name], hints[name]), *_default(parameter))
        for name, parameter in inspect.signature(method).parameters.items()
        if name != "self"
    ]
    kind = msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)
    decoder = make_decoder(kind)

    def read(body: bytes) -> Mapping[str, object]:
        if too_deep(body):
            raise bad_parameter("body", "it is nested too deeply")
        try:
            return msgspec.structs.asdict(decoder.decode(body))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise bad_parameter("body", str(error)) from None

    return read


def _default(parameter: inspect.Parameter) -> tuple[Any, ...]:
    return () if parameter.default is inspect.Parameter.empty else (parameter.default,)

"""Stage 8 of a call: a complete HTTP answer becomes a result, or one error of the tree.

The HTTP status decides first, then the envelope, then the refusal table of the schema. The mirror
of ``interpret`` is ``render_result``, with which the sandbox answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from fincard_async import errors
from fincard_async.errors import ApiError, DecodeError, ResponseMismatch, UnexpectedRedirect

from .codec import rewrite
from .envelope import Envelope, open_envelope, refuse_depth, render_envelope, repeats_a_key
from .messages import HttpResponse
from .model import Model
from .operation import Operation
from .refusals import RefusalRow, find_refusal

_LONG_DIGITS = re.compile(r"[0-9][0-9 -]{10,}[0-9]")
_SAFE_FAULT = re.compile(r"(Object missing required field|Expected) [^'\"]*\Z")
_MOST_TEXT = 200


def interpret(
    operation: Operation[Model, object],
    request: Model,
    response: HttpResponse,
    refusals: Sequence[RefusalRow],
) -> object:
    """Return the decoded ``data``, or raise.

    Raises:
        UnexpectedRedirect: Any 3xx.
        ApiError: The server refused; ``final`` on it tells whether that proves nothing happened.
        NotAnEnvelope, DecodeError: A 2xx whose body cannot be trusted.
        ResponseMismatch: The answer names another order or card than the request.
    """
    status = response.status
    if 300 <= status < 400:
        raise UnexpectedRedirect("the server answered with a redirect", status=status)
    if not 200 <= status < 300:
        raise _refusal_of(_envelope_or_none(response.body), status, refusals)
    if operation.shape == "bare":
        refuse_depth(response.body)
        return _decode(operation, response.body)
    envelope = open_envelope(response.body)
    if operation.mutates and repeats_a_key(response.body):
        raise DecodeError("the reply names a key twice")
    if not envelope.succeeded:
        raise _refusal_of(envelope, status, refusals)
    result = _decode(operation, bytes(envelope.data))
    _check_echo(operation, request, result)
    return _numbered(operation, request, result)


def render_result(data: object) -> bytes:
    """The sandbox's side of a success. Source: contract 2.1."""
    return render_envelope(success=True, code=200, msg="Success", data=data)


def _envelope_or_none(body: bytes) -> Envelope | None:
    try:
        return open_envelope(body)
    except errors.NotAnEnvelope:
        return None


def _refusal_of(envelope: Envelope | None, status: int, refusals: Sequence[RefusalRow]) -> ApiError:
    code = None if envelope is None else envelope.number
    text = "" if envelope is None else envelope.text
    row = find_refusal(refusals, status, code, text)
    kind: type[ApiError] = errors.UnknownApiError if row is None else getattr(errors, row.error)
    # Without an envelope the answer may come from a proxy that knows nothing of the order; only
    # a 401 says by itself that the request went no further.
    final = row is not None and row.final and (envelope is not None or status == 401)
    said = scrub(text) or ("no message" if envelope is not None else "no envelope")
    return kind(f"the server refused: {said}", code=code, status=status, final=final)


def scrub(text: str) -> str:
    """Server text for a message: one short line, no control characters, no long digit runs."""
    line = "".join(c if c.isprintable() else " " for c in text[:_MOST_TEXT])
    if len(text) > _MOST_TEXT:  # half of a long number would pass as a short one
        line = line.rstrip("0123456789 -")
    return _LONG_DIGITS.sub("[digits]", line).strip()


def _decode(operation: Operation[Model, object], data: bytes) -> object:
    try:
        if operation.aliases:
            data = _rename(operation.aliases, data)
        return operation.decoder.decode(_fit(operation, data))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        fault = str(error) if _SAFE_FAULT.match(str(error)) else type(error).__name__
    # Raised outside of ``except``: a decoder's error can hold the whole body.
    raise DecodeError(f"the data does not have the documented shape: {fault}")


def _fit(operation: Operation[Model, object], data: bytes) -> bytes:
    """Bridge the shapes of ``data`` that sources disagree about (contract 9, rows 8 and 9)."""
    shape, first = operation.shape, data.lstrip()[:1]
    if operation.or_true and data.strip() == b"true":
        return b"{}"
    if shape == "list":
        return b"[]" if data == b"null" else b"[" + data + b"]" if first == b"{" else data
    if shape == "object" and first == b"[":
        items = msgspec.json.decode(data, type=list[msgspec.Raw])
        return bytes(items[0]) if len(items) == 1 else data
    return data


def _rename(aliases: Sequence[tuple[str, str]], data: bytes) -> bytes:
    """Read the other vocabulary (contract 7.1): only a body that uses it pays for this."""
    used = {other: name for other, name in aliases if f'"{other}"'.encode() in data}
    return rewrite(data, lambda value: _renamed(used, value)) if used else data


def _renamed(names: Mapping[str, str], value: object) -> object:
    if isinstance(value, list):
        return [_renamed(names, item) for item in value]
    if not isinstance(value, dict):
        return value
    documented = {key: _renamed(names, item) for key, item in value.items() if key not in names}
    for key, name in names.items():
        if key in value:
            documented.setdefault(name, _renamed(names, value[key]))
    return documented


def _check_echo(operation: Operation[Model, object], request: Model, result: object) -> None:
    for asked, answered in operation.echo:
        mine, theirs = getattr(request, asked), getattr(result, answered)
        if mine is not None and theirs is not None and mine != theirs:
            raise ResponseMismatch(f"the answer's {answered} is not the request's")


def _numbered(operation: Operation[Model, object], request: Model, result: object) -> object:
    """The result with the order number of its request, where the server leaves it out."""
    number = operation.order_number
    if number is None or getattr(result, number.name, "") is not None:
        return result
    assert isinstance(result, Model), "only a model has such a field"
    return msgspec.structs.replace(result, **{number.name: getattr(request, number.name)})

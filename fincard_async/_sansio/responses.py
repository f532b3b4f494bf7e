"""Stage 8 of a call: a complete HTTP answer becomes a result, or one error of the tree.

The HTTP status decides first, then the envelope, then the refusal table of the schema. The mirror
of ``interpret`` is ``render_result``, with which the sandbox answers.

A traceback shows the variables of the frames it passed, so nothing is raised where a variable holds
a body or a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import msgspec

from fincard_async import errors
from fincard_async.errors import (
    ApiError,
    DecodeError,
    NotAnEnvelope,
    ResponseMismatch,
    ResponseTooLarge,
    UnexpectedRedirect,
)

from .codec import rewrite
from .envelope import TOO_DEEP, Envelope, open_envelope, render_envelope, repeats_a_key, too_deep
from .messages import HttpResponse
from .model import Model, PageData
from .operation import Operation
from .refusals import RefusalRow, find_refusal
from .secret import Secret
from .sizes import MAX_VALUES, SHORT_BODY, SMALL_BODY, oversize

_LONG_DIGITS = re.compile(r"[0-9][0-9 -]{10,}[0-9]")
_SAFE_FAULT = re.compile(r"(Object missing required field|Expected) [^'\"]*\Z")
_MOST_TEXT = 200


def interpret(
    operation: Operation[Model, object],
    request: Model,
    response: HttpResponse,
    refusals: Sequence[RefusalRow],
    header: str = "",
) -> object:
    """Return the decoded ``data``, or raise. ``header`` is the Authorization that was sent.

    Raises:
        UnexpectedRedirect: Any 3xx.
        ApiError: The server refused; ``final`` on it tells whether that proves nothing happened.
        NotAnEnvelope, DecodeError: A 2xx whose body cannot be trusted.
        ResponseTooLarge: Longer than this operation's answers may be, or a part of it is.
        ResponseMismatch: The answer names another order or card than the request.
    """
    status, size = response.status, len(response.body)
    if size < SHORT_BODY and status == 200 and (read := operation.usual) is not None:
        usual = read(response.body)
        if usual is not None:
            _check_echo(operation, request, usual)
            return usual
    if size > operation.most_bytes:  # a transport of the caller's own may not look at it
        raise ResponseTooLarge(f"the reply is longer than {operation.most_bytes} bytes")
    if 300 <= status < 400:
        raise UnexpectedRedirect("the server answered with a redirect", status=status)
    if not 200 <= status < 300:
        envelope = _envelope_or_none(response.body)
        raise _refusal_of(envelope, status, refusals, _sent_secrets(request, header))
    if operation.shape == "bare":
        if too_deep(response.body):
            raise NotAnEnvelope(TOO_DEEP)
        return _good(_decoded(operation, response.body))
    result = _plain_result(operation, response.body)
    envelope = open_envelope(response.body) if result is None else None
    if operation.mutates and repeats_a_key(response.body):
        raise DecodeError("the reply names a key twice, or has too many to tell")
    if envelope is not None:
        if not envelope.succeeded:
            raise _refusal_of(envelope, status, refusals, _sent_secrets(request, header))
        result = _good(_decoded(operation, bytes(envelope.data)))
    if size > SMALL_BODY:
        _check_sizes(response.body, result)
    _check_echo(operation, request, result)
    return _numbered(operation, request, result)


def _check_sizes(body: bytes, result: object) -> None:
    rows = result.records if isinstance(result, PageData) else result
    what = oversize(body, result, rows)
    del body, result, rows  # a traceback shows the variables
    if what is not None:
        raise ResponseTooLarge(what)


def _plain_result(operation: Operation[Model, object], body: bytes) -> object | None:
    """The data of the usual success; None if a closer look is needed, for whatever reason."""
    if too_deep(body):
        return None
    try:
        whole = operation.plain_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
        return None
    if not whole.is_plain or (_lacks_a_name(operation, whole.data) and _renames(operation, body)):
        return None
    return whole.data


def _renames(operation: Operation[Model, object], body: bytes) -> bool:
    return any(name in body for name in operation.other_names)


def _lacks_a_name(operation: Operation[Model, object], data: object) -> bool:
    """True unless each row has all fields that have another spelling; far sooner told than whether
    a long body has that spelling."""
    if operation.renamed is None:
        return True
    rows = (
        data.records if isinstance(data, PageData) else data if isinstance(data, list) else [data]
    )
    return any(None in map(attrgetter(name), rows) for name in operation.renamed)


def render_result(data: object) -> bytes:
    """The sandbox's side of a success. Source: contract 2.1."""
    return render_envelope(success=True, code=200, msg="Success", data=data)


def _envelope_or_none(body: bytes) -> Envelope | None:
    try:
        return open_envelope(body)
    except NotAnEnvelope:
        return None


def _refusal_of(
    envelope: Envelope | None,
    status: int,
    refusals: Sequence[RefusalRow],
    secrets: Sequence[Secret],
) -> ApiError:
    code = None if envelope is None else envelope.number
    text = "" if envelope is None else envelope.text
    row = find_refusal(refusals, status, code, text)
    kind: type[ApiError] = errors.UnknownApiError if row is None else getattr(errors, row.error)
    # Without an envelope the answer may come from a proxy that knows nothing of the order; only
    # a 401 says by itself that the request went no further.
    final = row is not None and row.final and (envelope is not None or status == 401)
    for secret in secrets:
        text = text.replace(secret.reveal(), "[secret]")
    said = scrub(text) or ("no message" if envelope is not None else "no envelope")
    return kind(f"the server refused: {said}", code=code, status=status, final=final)


def scrub(text: str) -> str:
    """Server text for a message: one short line, no control characters, no long digit runs."""
    line = "".join(c if c.isprintable() else " " for c in text[:_MOST_TEXT])
    if len(text) > _MOST_TEXT:  # half of a long number would pass as a short one
        line = line.rstrip("0123456789 -")
    return _LONG_DIGITS.sub("[digits]", line).strip()


def _sent_secrets(request: Model, header: str) -> list[Secret]:
    """What the server was told in confidence, and might repeat."""
    values = (getattr(request, field) for field in request.__struct_fields__)
    secrets = [value for value in values if isinstance(value, Secret) and value]
    return [*secrets, Secret(header.removeprefix("Bearer "))] if header else secrets


class _Fault(NamedTuple):
    """What a decoder complained of, without any value."""

    text: str


def _good(found: object) -> object:
    if isinstance(found, _Fault):
        raise DecodeError(f"the data does not have the documented shape: {found.text}")
    return found


def _decoded(operation: Operation[Model, object], data: bytes) -> object:
    try:
        if operation.aliases:
            if len(data) > SMALL_BODY and data.count(b",") > MAX_VALUES:
                return _Fault("it has too many values")
            data = _rename(operation.aliases, data)
        return operation.decoder.decode(_fit(operation, data))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        # Not raised from here: a decoder's error can hold the whole body.
        return _Fault(str(error) if _SAFE_FAULT.match(str(error)) else type(error).__name__)


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


rename_keys = _rename
"""For events, which come in both vocabularies too."""


def _check_echo(operation: Operation[Model, object], request: Model, result: object) -> None:
    for asked, answered in operation.echo:
        mine, theirs = getattr(request, asked), getattr(result, answered)
        if mine != theirs and mine is not None and theirs is not None:
            raise ResponseMismatch(f"the answer's {answered} is not the request's")


def _numbered(operation: Operation[Model, object], request: Model, result: object) -> object:
    """The result with the order number of its request, where the answer need not tell it."""
    number = operation.order_number
    if not operation.or_true or number is None or getattr(result, number.name) is not None:
        return result
    assert isinstance(result, Model), "the compiler lets no other result be so"
    return msgspec.structs.replace(result, **{number.name: getattr(request, number.name)})

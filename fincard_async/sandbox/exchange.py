"""One HTTP exchange, pure and synchronous: what the platform does before and after a handler.

In this order: the path, the context headers, the token, the tenant, the body, the rules of the
operation, the handler. Source: contract 1.3, 1.4, 2. No answer repeats what a request said, so that
no secret comes back in a message.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from fincard_async._generated.wire import CONTEXT_HEADERS, REQUIRED_HEADERS
from fincard_async._sansio.codec import encode
from fincard_async._sansio.envelope import render_envelope, too_deep
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async._sansio.model import Model
from fincard_async._sansio.operation import Operation
from fincard_async._sansio.requests import parse_request
from fincard_async.errors import ValidationError

from .engine import Engine
from .login import Logins
from .refusal import PARAMETER, Refusal, bad_parameter
from .storage import StorageFailed
from .tokens import TokenMint

HEADERS: Final[Mapping[str, str]] = {
    "content-type": "application/json;charset=utf-8",
    "x-fincard-sandbox": "1",
}
"""Of every answer; the second says that nothing here is real."""
_TENANT: Final = CONTEXT_HEADERS["tenant_id"].lower()
_AUTHORIZATION: Final = CONTEXT_HEADERS["authorization"].lower()
_CONTEXT: Final = tuple(
    (name.lower(), name) for name in sorted(REQUIRED_HEADERS) if name.lower() != _AUTHORIZATION
)
_FIELD = re.compile(r"at `\$\.?([A-Za-z0-9_.\[\]]+)`|missing required field `([A-Za-z0-9_]+)`")


class Denied(Exception):
    """Refused before a handler was asked, with an HTTP status of its own."""

    def __init__(self, status: int, code: int, msg: str) -> None:
        super().__init__(msg)
        self.status = status
        self.code = code
        self.msg = msg


class Exchange:
    """Turns requests into answers."""

    def __init__(self, engine: Engine) -> None:
        settings = engine.settings
        secret = hashlib.blake2b(f"{settings.seed}\x1f{settings.password}".encode()).digest()
        self._engine = engine
        self._mint = TokenMint(secret, settings.token_lifetime)
        self._logins = Logins(settings, self._mint)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one POST."""
        try:
            return HttpResponse(200, HEADERS, self._answer(request))
        except Refusal as refusal:
            return _refused(200, refusal.code, refusal.msg)
        except Denied as denied:
            return _refused(denied.status, denied.code, denied.msg)
        except StorageFailed:
            return _refused(500, 500, "The state file cannot be written")

    def _answer(self, request: HttpRequest) -> bytes:
        now = self._engine.tick() / 1000
        headers = {name.lower(): value for name, value in request.headers.items()}
        if too_deep(request.body):
            raise bad_parameter("body", "it is nested too deeply")
        route = self._engine.routes.get(request.path)
        if route is None:
            return self._log_in(request, headers, now)
        self._check_context(headers)
        self._check_token(headers, now)
        data = self._engine.carry_out(route, read(route.operation, request.body))
        return self._render(data)

    def _render(self, data: object) -> bytes:
        return encode(
            {"success": True, "code": 200, "msg": "Success", "data": data},
            money_as=self._engine.settings.money_as,
        )

    def _log_in(self, request: HttpRequest, headers: Mapping[str, str], now: float) -> bytes:
        login = self._logins.find(request.path)
        if login is None:
            raise Denied(404, 404, "No such path")
        self._check_context(headers)
        self._check_tenant(headers[_TENANT])
        reply = login(request.body, now, self._engine.state.token_epoch)
        if reply is None:
            raise Denied(401, 401, "Invalid credentials")
        return encode(reply)

    def _check_context(self, headers: Mapping[str, str]) -> None:
        """Source: contract 1.4: HTTP 400 with code 500 in the body."""
        missing = [name for key, name in _CONTEXT if not headers.get(key)]
        if missing:
            raise Denied(400, 500, f"Missing required header(s): {', '.join(missing)}")

    def _check_token(self, headers: Mapping[str, str], now: float) -> None:
        scheme, _, token = headers.get(_AUTHORIZATION, "").partition(" ")
        epoch = self._engine.state.token_epoch
        if scheme != "Bearer" or not self._mint.accepts(token, now=now, epoch=epoch):
            raise Denied(401, 401, "Unauthorized")
        self._check_tenant(headers[_TENANT])

    def _check_tenant(self, tenant_id: str) -> None:
        if tenant_id != self._engine.settings.tenant_id:
            raise Denied(403, 403, "Tenant access denied")


def read(operation: Operation[Model, object], body: bytes) -> Model:
    """Decode a body and check it against the rules of its operation.

    Raises:
        Refusal: With the code for parameters, and the name of the field but never its value.
    """
    try:
        return parse_request(operation, body)
    except ValidationError as error:
        raise Refusal(PARAMETER, f"parameter error: {error.message}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise bad_parameter(_field_of(error), "it is not of the documented form") from None


def _field_of(error: Exception) -> str:
    """Where the decoder stopped; its message is not passed on, because it may quote the value."""
    found = _FIELD.search(str(error))
    return (found[1] or found[2]) if found else "body"


def _refused(status: int, code: int, msg: str) -> HttpResponse:
    body = render_envelope(success=False, code=code, msg=msg, data=None)
    return HttpResponse(status, HEADERS, body)

"""A wire that follows a script."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import anyio.lowlevel
import msgspec

from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure

Step: TypeAlias = (
    HttpResponse | TransportFailure | Callable[[HttpRequest], HttpResponse | TransportFailure]
)


class ScriptedTransport:
    """Answers each request with the next step of a script, and keeps what was sent.

    A step is an answer, a failure to raise, or a function of the request that returns one of them.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = iter(steps)
        self.requests: list[HttpRequest] = []
        self.timeouts: list[float] = []
        self.closed = False

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Take the next step; an exhausted script is an AssertionError."""
        await anyio.lowlevel.checkpoint()
        self.requests.append(request)
        self.timeouts.append(timeout)
        try:
            step = next(self._steps)
        except StopIteration:
            raise AssertionError(f"the script has no step left for {request.path}") from None
        if callable(step):
            step = step(request)
        if isinstance(step, TransportFailure):
            raise step
        return step

    async def aclose(self) -> None:
        """Remember that the client closed it."""
        self.closed = True


def reply(
    data: object = None,
    *,
    status: int = 200,
    success: bool | None = None,
    code: int | None = None,
    msg: str | None = None,
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    """An answer in the API's envelope: a success unless ``success`` or ``status`` differ."""
    succeeded = status == 200 if success is None else success
    body = {"success": succeeded, "code": code if code is not None else status, "msg": msg}
    return HttpResponse(status, headers or {}, msgspec.json.encode({**body, "data": data}))

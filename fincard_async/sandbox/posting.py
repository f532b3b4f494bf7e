"""Webhooks over HTTP, to this machine unless told otherwise."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from fincard_async._sansio.base_url import is_loopback
from fincard_async._sansio.messages import HttpResponse
from fincard_async.errors import ConfigError

from .webhooks import Deliver

_SECONDS: Final = 10.0
_MOST_ANSWER: Final = 16 * 1024
_NO_ANSWER: Final = HttpResponse(0, {}, b"")


def check_url(url: str, *, anywhere: bool) -> None:
    """Raise ConfigError for a URL that ``post_to`` would refuse."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("the webhook URL must be http or https")
    if not anywhere and not is_loopback(parts.hostname):
        raise ConfigError("the webhook URL must be on this machine")


@asynccontextmanager
async def post_to(url: str, *, anywhere: bool = False) -> AsyncGenerator[Deliver]:
    """A way to one URL while the block runs.

    Args:
        url: Where events are posted.
        anywhere: True allows another machine than this one. Everything that the sandbox sends is
            make-believe, but a stranger's server need not get it.

    Raises:
        ConfigError: The URL is not http(s), or leads away from this machine.
    """
    check_url(url, anywhere=anywhere)
    limit = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def deliver(headers: Mapping[str, str], body: bytes) -> HttpResponse:
            try:
                async with session.post(
                    url, data=body, headers=headers, allow_redirects=False
                ) as answer:
                    said = await answer.content.read(_MOST_ANSWER)
                    return HttpResponse(answer.status, {}, said)
            except (aiohttp.ClientError, TimeoutError, OSError):
                return _NO_ANSWER

        yield deliver

"""Webhooks for tests: a platform key, signed deliveries, and a way from a sandbox to an inbox."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from fincard_async._crypto.keys import PrivateKey
from fincard_async._crypto.signing import sign_body
from fincard_async._generated.events import (
    CATEGORY_HEADER,
    REQUEST_ID_HEADER,
    SIGNATURE_HEADERS,
)
from fincard_async._sansio.codec import encode
from fincard_async._sansio.messages import HttpResponse
from fincard_async.sandbox.webhooks import Deliver
from fincard_async.webhooks.inbox import Inbox


@lru_cache(maxsize=1)
def platform_key() -> PrivateKey:
    """The key with which a make-believe platform signs; made once, for that is slow."""
    return PrivateKey.generate()


def sign_webhook(
    payload: object,
    *,
    category: str | None = None,
    request_id: str | None = None,
    key: PrivateKey | None = None,
    header: str = SIGNATURE_HEADERS[0],
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a delivery, as the platform makes them.

    Args:
        payload: The body as bytes, or what it says, as a mapping or a model.
        category: In its header; None leaves the header out.
        request_id: In its header; None leaves the header out.
        key: Who signs; None for ``platform_key()``.
        header: Which of the two documented headers carries the signature.
    """
    body = payload if isinstance(payload, bytes) else encode(payload)
    headers = {header: sign_body(key or platform_key(), body)}
    if category is not None:
        headers[CATEGORY_HEADER] = category
    if request_id is not None:
        headers[REQUEST_ID_HEADER] = request_id
    return headers, body


def deliver_to(inbox: Inbox) -> Deliver:
    """A way for ``Sandbox.webhooks`` that ends in an inbox of this process."""

    async def deliver(headers: Mapping[str, str], body: bytes) -> HttpResponse:
        return (await inbox.receive(headers, body)).reply

    return deliver

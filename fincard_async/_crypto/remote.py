"""A private key that stays in a key service: a KMS, an HSM, a process of its own."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio.to_thread

from fincard_async._sansio.secret import Sealed
from fincard_async.errors import ConfigError

from .sealing import blocks

Decrypt: TypeAlias = Callable[[bytes], "bytes | Awaitable[bytes]"]
"""Opens one block of ciphertext; what it raises means that the block does not open."""


class RemoteKey:
    """Opens sealed values through a function of yours.

    Args:
        decrypt: Takes one block, gives its plaintext, unpadded. A coroutine function is awaited;
            a plain one runs in a worker thread, for it will wait for a network or a device.
        bits: Size of the key's modulus: ciphertext is cut into blocks of as many bits.

    What comes out is checked for its shape, as with a local key: the service may be set to another
    key, and many of them do not notice a wrong padding either.

    Raises:
        ConfigError: The size is no whole number of bytes from 1024 bits on.
    """

    __slots__ = ("_decrypt", "_size")

    def __init__(self, decrypt: Decrypt, *, bits: int = 2048) -> None:
        if bits < 1024 or bits % 8:
            raise ConfigError("bits must be a whole number of bytes, at least 1024 bits")
        self._decrypt = decrypt
        self._size = bits // 8

    @property
    def block_bytes(self) -> int:
        """Bytes of one sealed block."""
        return self._size

    async def plain(self, sealed: Sealed) -> bytes | None:
        """What the service makes of a value; None if it is not whole blocks.

        Raises:
            Exception: Whatever the service raises.
        """
        cut = blocks(self._size, sealed)
        return None if cut is None else b"".join([await self._one(block) for block in cut])

    async def _one(self, block: bytes) -> bytes:
        if inspect.iscoroutinefunction(self._decrypt):
            found = await self._decrypt(block)
        else:
            found = await anyio.to_thread.run_sync(self._decrypt, block)
            if inspect.isawaitable(found):  # a partial or an object whose call is a coroutine
                found = await found
        if not isinstance(found, bytes | bytearray):
            raise TypeError("decrypt must return bytes")
        return bytes(found)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<{self._size * 8} bits>)"

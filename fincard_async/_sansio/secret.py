"""Values that must not leak: ``Secret`` (readable on request) and ``Sealed`` (still encrypted).

Neither prints, formats, hashes, iterates, copies nor pickles. The one way to a secret's text is
``reveal()``, so that a search for that word finds every place where a secret is read.
"""

from __future__ import annotations

import hmac
from typing import NoReturn, Self, cast, overload

from fincard_async.errors import UsageError


class _Guarded:
    """Refuses every accidental way out of the value it holds."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"{type(self).__name__} holds text, not {type(text).__name__}")
        self._text = text

    def _read(self) -> str:
        """The text, for this module only."""
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self._read())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret if isinstance(self, Secret) else Sealed):
            return NotImplemented
        # An error of the codec would hold the text, so no text may be an error.
        mine, theirs = (each._read().encode("utf-8", "surrogatepass") for each in (self, other))
        return hmac.compare_digest(mine, theirs)

    __hash__ = None  # type: ignore[assignment]  # a hash would let a dictionary compare secrets

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be copied or pickled")

    __copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = _refuse


class Secret(_Guarded):
    """Text that is readable only through ``reveal()``: a password, a PIN, an opened card number."""

    __slots__ = ()

    def reveal(self) -> str:
        """Return the text. Keep it in as few variables, for as short a time, as you can."""
        return self._read()


class Opened(Secret):
    """A secret that was sealed: it can be overwritten when it has been used.

    As ``with`` value, or by ``wipe()``. This is best effort: Python copies text as it likes, every
    ``reveal()`` makes another copy, and none of those can be reached any more.
    """

    __slots__ = ("_bytes", "_gone")

    def __init__(self, text: str) -> None:
        super().__init__("")
        self._bytes = bytearray(text, "utf-8")
        self._gone = False

    def _read(self) -> str:
        if self._gone:
            raise UsageError("the secret was wiped")
        return self._bytes.decode("utf-8")

    def wipe(self) -> None:
        """Overwrite the text; ``reveal()`` raises from here on."""
        self._bytes[:] = bytes(len(self._bytes))
        self._gone = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()


class Pan(Opened):
    """The number printed on a card. Its ends are readable; all of it only through ``reveal()``."""

    __slots__ = ()

    @property
    def last4(self) -> str:
        """The last four digits, by which people know a card."""
        return self._read()[-4:]

    @property
    def bin6(self) -> str:
        """The first six digits, which name the issuer."""
        return self._read()[:6]


class Sealed(_Guarded):
    """A value that the server encrypted for the merchant's RSA key; open it with ``client.unseal``.

    Source: seed, "Card Sensitive Info" and "Card 3DS Transactions".
    """

    __slots__ = ()

    @property
    def ciphertext(self) -> str:
        """The text as it came over the wire: base64, in one or more blocks of the key's size."""
        return self._text


class Quiet(str):
    """Text of a secret on its way to the wire: a string to all, but for its repr.

    Tools that report crashes take the repr of every variable in a traceback.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'...'"

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError("text of a secret cannot be copied or pickled")


@overload
def as_secret(value: Secret | str) -> Secret: ...
@overload
def as_secret(value: Secret | str | None) -> Secret | None: ...
def as_secret(value: Secret | str | None) -> Secret | None:
    """Wrap plain text that a caller gave for a secret argument; None and secrets pass."""
    if value is None or isinstance(value, Secret):
        return value
    return Secret(value) if isinstance(value, str) else cast(Secret, NotText(type(value).__name__))


class NotText:
    """In the place of a secret that a caller gave as a number or as bytes: the rules refuse it.

    It holds the type's name alone, so that the refusal's traceback does not show the value.
    """

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

"""Keys as a setting names them: a path, several paths, or the text of the key itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from fincard_async._sansio.secret import Secret
from fincard_async.errors import ConfigError

from .keys import Padding, PrivateKey, PublicKey, is_key_text


def keys_from(
    setting: str, password: Secret | None = None, padding: str | None = None
) -> list[PrivateKey]:
    """The private keys of a setting; several paths are separated as in ``PATH``.

    Raises:
        ConfigError: One cannot be read or used.
    """
    how = cast("Padding", padding or "pkcs1v15")
    if is_key_text(setting):
        given = [setting]
        del setting  # an error shows the variables of its frames, and this one is a key
        return [PrivateKey.parse(given.pop(), password, padding=how)]
    paths = [path for path in setting.split(os.pathsep) if path]
    return [PrivateKey.from_file(path, password, padding=how) for path in paths]


def public_keys_from(setting: str) -> list[PublicKey]:
    """The public keys of a setting, in the same forms.

    Raises:
        ConfigError: One cannot be read or used.
    """
    if is_key_text(setting):
        return [PublicKey.parse(setting)]
    return [PublicKey.parse(_read(path)) for path in setting.split(os.pathsep) if path]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"the key file cannot be read: {error.strerror}") from None

"""Key files, variables that name them, and reading beside the event loop."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from fincard_async import FincardClient, Secret
from fincard_async._crypto.sources import keys_from, public_keys_from
from fincard_async.errors import ConfigError
from fincard_async.keys import KeyFileWarning, PrivateKey

from .known import KEY

posix = pytest.mark.skipif(os.name != "posix", reason="rights of files are those of POSIX")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A key file that is the caller's own."""
    path = tmp_path / "merchant.key"
    path.write_text(KEY)
    path.chmod(0o600)
    return path


@posix
@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_private_file_is_read(mode: int, path: Path) -> None:
    """No warning, which would be an error here."""
    path.chmod(mode)
    assert PrivateKey.from_file(path).bits == 2048


@posix
@pytest.mark.parametrize("mode", [0o640, 0o644, 0o604])
def test_a_file_that_others_read_warns(mode: int, path: Path) -> None:
    """Mounted secrets are often so, hence no error."""
    path.chmod(mode)
    with pytest.warns(KeyFileWarning, match="chmod 600"):
        PrivateKey.from_file(path)


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_write_is_refused(mode: int, path: Path) -> None:
    """Somebody could have put another key there."""
    path.chmod(mode)
    with pytest.raises(ConfigError, match="can exchange"):
        PrivateKey.from_file(path)


@posix
def test_a_folder_that_others_write_is_refused(path: Path, tmp_path: Path) -> None:
    """Also where a link leads into it or out of it; a sticky folder protects its files."""
    folder = tmp_path / "open"
    folder.mkdir()
    link = folder / "link"
    link.symlink_to(path)
    folder.chmod(0o777)
    with pytest.raises(ConfigError, match="can exchange"):
        PrivateKey.from_file(link)
    folder.chmod(0o1777)
    assert PrivateKey.from_file(link).bits == 2048


def test_a_variable_names_or_holds_the_key(path: Path) -> None:
    """A path, or the key itself; absent is an error that names the variable."""
    for text in (str(path), KEY, PrivateKey.parse(KEY).pem().reveal()):
        assert PrivateKey.from_env("K", environ={"K": text}).pem() == PrivateKey.parse(KEY).pem()
    with pytest.raises(ConfigError, match="K is not set"):
        PrivateKey.from_env("K", environ={})


def test_a_client_takes_several_keys_from_its_settings(path: Path) -> None:
    """During a rotation the variable names both, as PATH names folders."""
    settings = {
        "FINCARD_BASE_URL": "http://127.0.0.1",
        "FINCARD_TENANT_ID": "t",
        "FINCARD_TOKEN": "t",
        "FINCARD_CARD_KEY": os.pathsep.join([str(path)] * 2),
    }
    assert len(FincardClient.from_env(settings)._core.card_keys) == 2
    oaep = FincardClient.from_env({**settings, "FINCARD_CARD_KEY_PADDING": "oaep-sha256"})
    assert "oaep" not in repr(oaep)
    with pytest.raises(ConfigError, match="padding must be one of"):
        FincardClient.from_env({**settings, "FINCARD_CARD_KEY_PADDING": "none"})


def test_public_keys_of_a_setting(path: Path, tmp_path: Path) -> None:
    """A path, several, or the text; a file that is not there is an error."""
    public = tmp_path / "platform.pem"
    public.write_text(PrivateKey.parse(KEY).public_key().pem())
    assert len(public_keys_from(os.pathsep.join([str(public)] * 2))) == 2
    assert len(public_keys_from(public.read_text())) == 1
    with pytest.raises(ConfigError, match="cannot be read"):
        public_keys_from(str(tmp_path / "absent"))


@pytest.mark.anyio
async def test_a_key_is_checked_beside_the_loop(path: Path) -> None:
    """The full check takes 40 ms and more; the loop goes on meanwhile."""
    import anyio

    done: list[str] = []

    async def load() -> None:
        await PrivateKey.load(path, padding="oaep-sha256")
        done.append("loaded")

    async with anyio.create_task_group() as group:
        group.start_soon(load)
        await anyio.lowlevel.checkpoint()
        done.append("loop")
    assert done == ["loop", "loaded"]
    with pytest.raises(ConfigError):
        await PrivateKey.load(path, Secret("wrong"))


def test_an_old_backend_is_refused() -> None:
    """Before OpenSSL 3.2 a wrong padding is an error, and its time can be measured."""
    from fincard_async._crypto.keys import _need_implicit_rejection

    class Old:
        """An OpenSSL of another time."""

        def openssl_version_number(self) -> int:
            return 0x30000000

    with pytest.raises(ConfigError, match=r"older than 3\.2"):
        _need_implicit_rejection("OpenSSL 3.0.0", Old())
    _need_implicit_rejection("LibreSSL 4.0", Old())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PrivateKey.parse(KEY)


def test_errors_show_no_key(tmp_path: Path) -> None:
    """Crash reporters print the variables of every frame: none of ours holds a key or password."""
    text, word = PrivateKey.parse(KEY).pem().reveal(), "canary-password"
    path = tmp_path / "k"
    path.write_text(text)
    path.chmod(0o600)
    broken = text[:200] + text[300:]
    ways: list[Callable[[], object]] = [
        lambda: PrivateKey.parse(broken),
        lambda: PrivateKey.parse(text, word),
        lambda: PrivateKey.from_file(path, word),
        lambda: PrivateKey.from_env("K", word, environ={"K": text}),
        lambda: keys_from(text, Secret(word)),
    ]
    for way in ways:
        with pytest.raises(ConfigError) as caught:
            way()
        frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
        ours = [f.f_locals for f in frames if "fincard_async" in f.f_code.co_filename]
        assert ours
        assert word not in repr(ours)
        assert text[60:100] not in repr(ours)
        assert caught.value.__context__ is None

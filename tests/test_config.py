"""Settings from the environment and from profiles."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from fincard_async import BearerToken, PasswordLogin, SessionLogin
from fincard_async.config import config_path, load_settings
from fincard_async.errors import ConfigError

BASE = {"FINCARD_BASE_URL": "https://a.example", "FINCARD_TENANT_ID": "acme"}
TOKEN = {**BASE, "FINCARD_TOKEN": "t"}
SESSION = {
    **BASE,
    "FINCARD_USERNAME": "name",
    "FINCARD_PASSWORD": "word",
    "FINCARD_ORGANIZATION_ID": "o",
    "FINCARD_USER_ID": "u",
}

PROFILES = """
[profiles.sandbox]
base_url = "https://profile.example"
tenant_id = "from-profile"
token = "profile-token"
timeout = 7
platform = "ios"

[profiles.other]
base_url = "https://other.example"
tenant_id = "other"
email = "a@b.c"
password = "word"

[profiles.wrong]
base_ulr = "https://a.example"
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment with a file of profiles, and nothing else."""
    path = tmp_path / "fincard" / "config.toml"
    path.parent.mkdir()
    path.write_text(PROFILES)
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_a_token_is_enough() -> None:
    """The smallest environment that works; everything else has a default."""
    settings = load_settings(TOKEN)
    assert (settings.base_url, settings.tenant_id) == ("https://a.example", "acme")
    assert settings.auth == BearerToken(settings.auth.token)  # type: ignore[union-attr]  # it is one
    assert (settings.timeout, settings.card_key, settings.card_key_password) == (None, None, None)
    assert settings.context.platform == "web"


def test_every_setting_has_its_variable() -> None:
    """What is set arrives, secrets wrapped, and none of them shows in the repr."""
    settings = load_settings(
        {
            **SESSION,
            "FINCARD_TENANT_KEY": "canary-key",
            "FINCARD_TENANT_SECRET": "canary-secret",
            "FINCARD_CARD_KEY": "merchant.pem",
            "FINCARD_CARD_KEY_PASSWORD": "canary-password",
            "FINCARD_FORWARDED_FOR": "203.0.113.7",
            "FINCARD_FORWARDED_FROM": "shop",
            "FINCARD_PLATFORM": "ios",
            "FINCARD_DEVICE_ID": "till",
            "FINCARD_USER_AGENT": "shop/1.0",
            "FINCARD_TIMEOUT": "12.5",
        }
    )
    assert isinstance(settings.auth, SessionLogin)
    assert (settings.auth.organization_id, settings.auth.user_id) == ("o", "u")
    assert settings.context.device_id == "till"
    assert settings.timeout == 12.5
    assert settings.card_key == "merchant.pem"
    assert settings.card_key_password is not None
    assert settings.card_key_password.reveal() == "canary-password"
    assert "canary" not in repr(settings)


@pytest.mark.parametrize(
    "environ, kind",
    [
        (TOKEN, BearerToken),
        ({**BASE, "FINCARD_EMAIL": "a@b.c", "FINCARD_PASSWORD": "w"}, PasswordLogin),
        (SESSION, SessionLogin),
    ],
)
def test_the_way_to_log_in_follows_from_what_is_set(
    environ: dict[str, str], kind: type[object]
) -> None:
    """A token, an e-mail address or a user name decides."""
    assert isinstance(load_settings(environ).auth, kind)


@pytest.mark.parametrize(
    "environ, name",
    [
        ({}, "FINCARD_BASE_URL is not set"),
        ({"FINCARD_BASE_URL": ""}, "FINCARD_BASE_URL is not set"),
        ({"FINCARD_BASE_URL": "https://a"}, "FINCARD_TENANT_ID is not set"),
        (BASE, "no credentials: set FINCARD_USERNAME"),
        ({**BASE, "FINCARD_EMAIL": "a@b.c"}, "FINCARD_PASSWORD is not set"),
        ({**SESSION, "FINCARD_PASSWORD": ""}, "FINCARD_PASSWORD is not set"),
        ({**SESSION, "FINCARD_USER_ID": ""}, "FINCARD_USER_ID is not set"),
        ({**SESSION, "FINCARD_ORGANIZATION_ID": ""}, "FINCARD_ORGANIZATION_ID is not set"),
        *(
            ({**TOKEN, "FINCARD_TIMEOUT": text}, "FINCARD_TIMEOUT must be a number of seconds")
            for text in ("x", "0", "-1", "nan", "inf", "86400", "1e9")
        ),
    ],
)
def test_a_message_names_the_variable(environ: dict[str, str], name: str) -> None:
    """Whatever is missing or wrong, the reader knows what to set."""
    with pytest.raises(ConfigError, match=name):
        load_settings(environ)


def test_a_profile_is_chosen_by_argument_or_variable(home: dict[str, str]) -> None:
    """The argument wins over the variable; without either no file is read."""
    chosen = load_settings({**home, "FINCARD_PROFILE": "sandbox"})
    assert (chosen.base_url, chosen.timeout) == ("https://profile.example", 7.0)
    assert chosen.context.platform == "ios"
    other = load_settings({**home, "FINCARD_PROFILE": "sandbox"}, "other")
    assert isinstance(other.auth, PasswordLogin)
    with pytest.raises(ConfigError, match="FINCARD_BASE_URL is not set"):
        load_settings(home)


def test_a_variable_wins_over_the_profile(home: dict[str, str]) -> None:
    """An empty variable is no value."""
    environ = {**home, "FINCARD_TENANT_ID": "mine", "FINCARD_BASE_URL": ""}
    settings = load_settings(environ, "sandbox")
    assert (settings.tenant_id, settings.base_url) == ("mine", "https://profile.example")


@pytest.mark.parametrize(
    "profile, message",
    [
        ("absent", "has no profile 'absent'"),
        ("wrong", "profile 'wrong': unknown setting 'base_ulr'"),
    ],
)
def test_a_profile_with_a_mistake(home: dict[str, str], profile: str, message: str) -> None:
    """The message names file, profile and setting."""
    with pytest.raises(ConfigError, match=message):
        load_settings(home, profile)


@pytest.mark.parametrize(
    "text, message",
    [
        (b"password = canary", "is not valid TOML"),
        (b'password = "canary\xff"', "is not valid TOML"),
        (b"profiles = 1", "has no profile 'sandbox'"),
        (b"[profiles]\nsandbox = 1", "has no profile 'sandbox'"),
        (b"", "has no profile 'sandbox'"),
    ],
)
def test_a_damaged_file_is_not_quoted(home: dict[str, str], text: bytes, message: str) -> None:
    """The file holds passwords, so neither the error nor what it came from shows a line of it."""
    config_path(home).write_bytes(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings(home, "sandbox")
    assert caught.value.__context__ is None
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A profile that was asked for must exist."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings({"XDG_CONFIG_HOME": str(tmp_path)}, "sandbox")


@pytest.mark.parametrize(
    "environ, path",
    [
        ({"XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/x/fincard/config.toml"),
        ({"XDG_CONFIG_HOME": "", "HOME": "/h"}, "/h/.config/fincard/config.toml"),
        ({"HOME": "/h"}, "/h/.config/fincard/config.toml"),
    ],
)
def test_where_profiles_live(environ: dict[str, str], path: str) -> None:
    """The place that the desktop's standard says."""
    assert config_path(environ) == Path(path)

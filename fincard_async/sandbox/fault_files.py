"""A plan of faults as a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from fincard_async.errors import ConfigError

from .fault_plans import RandomFaults, ScriptedFaults
from .faults import FAULTS, Fault, fault


class _Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers of a fault that a file may change."""

    late_ms: int | msgspec.UnsetType = msgspec.UNSET
    lasts: float | msgspec.UnsetType = msgspec.UNSET
    retry_after: str | msgspec.UnsetType | None = msgspec.UNSET
    location: str | msgspec.UnsetType = msgspec.UNSET
    behind_ms: int | msgspec.UnsetType = msgspec.UNSET
    newest: int | msgspec.UnsetType = msgspec.UNSET

    def of(self, name: str) -> Fault:
        """The fault with these numbers."""
        given = msgspec.structs.asdict(self)
        changes = {key: value for key, value in given.items() if value is not msgspec.UNSET}
        return fault(name, **changes)


_SAME = _Changes()


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"changes": "with"}):
    fault: str
    operation: str = "*"
    nth: int | None = None
    changes: _Changes = _SAME


class _Chance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"changes": "with"}):
    seed: int
    rates: dict[str, float]
    only: Literal["mutations", "reads", "all"] = "all"
    most: int | None = None
    changes: dict[str, _Changes] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    script: list[_Line] | None = None
    random: _Chance | None = None


def load_faults(path: Path | str) -> ScriptedFaults | RandomFaults:
    """A plan from a JSON file, with either ``script`` or ``random``::

        {"script": [{"operation": "cards.open", "nth": 1, "fault": "commit-then-drop"},
                    {"fault": "429-before-commit", "with": {"retry_after": "5"}}]}
        {"random": {"seed": 7, "rates": {"commit-then-502": 0.05}, "only": "mutations", "most": 100,
                    "with": {"commit-then-502": {}}}}

    Raises:
        ConfigError: The file cannot be read, or does not describe a plan.
    """
    try:
        content = msgspec.json.decode(Path(path).read_bytes(), type=_File)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a plan of faults: {error}") from None
    if (content.script is None) == (content.random is None):
        raise ConfigError(f"{path} must have either 'script' or 'random'")
    if content.script is not None:
        return ScriptedFaults(
            (line.operation, line.nth, line.changes.of(line.fault)) for line in content.script
        )
    assert content.random is not None
    chance = content.random
    changed = {name: changes.of(name) for name, changes in chance.changes.items()}
    return RandomFaults(
        chance.seed, chance.rates, chance.only, chance.most, table={**FAULTS, **changed}
    )

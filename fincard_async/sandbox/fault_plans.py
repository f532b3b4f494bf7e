"""Which call gets which fault: by a script, or by chance that a seed repeats.

A plan decides from the operation and from how many calls of it came before, never from the clock or
from what else is going on, so that the same calls meet the same faults again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from random import Random
from typing import Literal, NamedTuple, Protocol

from fincard_async.errors import ConfigError

from .faults import FAULTS, Fault, fault, fits

_ROUNDING = 1e-9


class Injection(NamedTuple):
    """A fault that really happened."""

    operation: str
    nth: int
    """Which call of the operation it was, from 1."""
    fault: str


class FaultPlan(Protocol):
    """What the two edges of a sandbox ask before each call.

    Attributes:
        met: How many calls of each operation came so far, counted by the edges.
        injected: What was really done, in order, noted by the edges.
    """

    met: Counter[str]
    injected: list[Injection]

    def choose(self, operation_name: str, nth: int, mutates: bool) -> Fault | None:
        """The fault of the ``nth`` call of an operation, from 1; None leaves it alone."""
        ...


class _Records:
    """What every plan keeps; one plan may serve several transports, one after the other."""

    def __init__(self) -> None:
        self.met: Counter[str] = Counter()
        self.injected: list[Injection] = []

    def counts(self) -> Counter[str]:
        """How often each fault really happened, by its name."""
        return Counter(item.fault for item in self.injected)


class ScriptedFaults(_Records):
    """Faults for named calls: the first line that fits a call decides.

    Args:
        script: Lines of operation, number and fault. The operation is a name such as
            ``cards.open``, or ``*`` for all but the logins; the number counts the calls of one
            operation from 1, None means each of them; the fault is a name, or a ``Fault``.

    Raises:
        ConfigError: An unknown fault, or one that the operation named with it cannot have.
    """

    def __init__(self, script: Iterable[tuple[str, int | None, Fault | str]]) -> None:
        super().__init__()
        self._script = [(name, nth, _resolved(item)) for name, nth, item in script]
        for name, _, item in self._script:
            if name != "*" and not fits(item, name):
                raise ConfigError(f"a call of {name!r} cannot have the fault {item.name!r}")

    def choose(self, operation_name: str, nth: int, mutates: bool) -> Fault | None:
        """The fault of the first line that fits."""
        for name, number, item in self._script:
            if (
                (name == operation_name or (name == "*" and not _is_login(operation_name)))
                and (number is None or number == nth)
                and fits(item, operation_name)
            ):
                return item
        return None


class RandomFaults(_Records):
    """Faults by chance: the same seed gives the ``nth`` call of an operation the same fault.

    Args:
        seed: Repeats the choices.
        rates: Share of the calls that get a fault, by its name; together at most 1. A call that
            cannot have a fault of the table is left alone in its stead.
        only: ``mutations``, ``reads`` (without logins) or ``all`` (with logins).
        most: How many faults at most; None for no limit.
        table: Where the names are looked up, for faults with other numbers.

    Raises:
        ConfigError: An unknown fault, or rates that are no shares.
    """

    def __init__(
        self,
        seed: int,
        rates: Mapping[str, float],
        only: Literal["mutations", "reads", "all"] = "all",
        most: int | None = None,
        table: Mapping[str, Fault] = FAULTS,
    ) -> None:
        super().__init__()
        unknown = rates.keys() - table.keys()
        if unknown:
            raise ConfigError(f"there is no fault {min(unknown)!r}")
        if any(not rate >= 0 for rate in rates.values()) or sum(rates.values()) > 1 + _ROUNDING:
            raise ConfigError("the rates of the faults must be shares, together at most 1")
        self.seed = seed
        self._rates = [(table[name], rate) for name, rate in sorted(rates.items())]
        self._only = only
        self._most = most

    def choose(self, operation_name: str, nth: int, mutates: bool) -> Fault | None:
        """The fault that the seed gives this call."""
        if self._most is not None and len(self.injected) >= self._most:
            return None
        if not self._takes(operation_name, mutates):
            return None
        point = Random(f"{self.seed}/{operation_name}/{nth}").random()
        for item, rate in self._rates:
            if point < rate:
                return item if fits(item, operation_name) else None
            point -= rate
        return None

    def _takes(self, operation_name: str, mutates: bool) -> bool:
        if self._only == "all":
            return True
        return mutates == (self._only == "mutations") and not _is_login(operation_name)

    def __repr__(self) -> str:
        rates = {item.name: rate for item, rate in self._rates}
        return f"RandomFaults({self.seed}, {rates}, only={self._only!r}, most={self._most})"


def _is_login(operation_name: str) -> bool:
    return operation_name.startswith("auth.")


def _resolved(item: Fault | str) -> Fault:
    return item if isinstance(item, Fault) else fault(item)

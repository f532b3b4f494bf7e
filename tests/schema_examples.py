"""The examples of the schema as test cases; they stand in ``schema/`` and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

SCHEMA = Path(__file__).parent.parent / "schema"


@dataclass(frozen=True)
class Example:
    """One exchange: a request body and the answer of the same name."""

    operation: str
    name: str
    request: dict[str, Any]
    answer: dict[str, Any]

    @property
    def id(self) -> str:
        """Name of the test case."""
        return f"{self.operation}-{self.name}"


def _bodies(content: dict[str, Any]) -> dict[str, Any]:
    examples = content["content"]["application/json"].get("examples", {})
    return {name: example["value"] for name, example in examples.items()}


@lru_cache(maxsize=1)
def examples() -> tuple[Example, ...]:
    """Every answer of every operation, with its request."""
    found: list[Example] = []
    for path in sorted(SCHEMA.glob("*.yaml")):
        document = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
        for endpoint in (document.get("paths") or {}).values():
            operation = endpoint["post"]
            requests = _bodies(operation["requestBody"])
            for name, answer in _bodies(operation["responses"]["200"]).items():
                request = requests.get(name, next(iter(requests.values())))
                found.append(Example(operation["operationId"], name, request, answer))
    return tuple(found)

"""Read the schema documents, and the line of every value in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node as YamlNode, ScalarNode, SequenceNode

from .nodes import Document, Mistake, Pointer, Schema, SchemaError

VOCABULARY = "x-fincard.schema.json"


def load(folder: Path) -> Schema:
    """Read every YAML file of ``folder``, and the vocabulary; SchemaError if one cannot be read."""
    documents: dict[str, Document] = {}
    mistakes: list[Mistake] = []
    words = _vocabulary(folder / VOCABULARY, mistakes)
    for path in sorted(folder.glob("*.yaml")):
        documents[path.name] = _read(path, mistakes)
    if "common.yaml" not in documents:
        mistakes.append(Mistake(path_label(folder / "common.yaml"), 1, "there is no such file"))
    if mistakes:
        raise SchemaError(mistakes)
    return Schema(documents, words)


def path_label(path: Path) -> str:
    """A path as messages show it: relative to the current folder where that is shorter."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def _vocabulary(path: Path, mistakes: list[Mistake]) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        mistakes.append(Mistake(path_label(path), 1, "there is no such file"))
    except json.JSONDecodeError as error:
        mistakes.append(Mistake(path_label(path), error.lineno, f"not JSON: {error.msg}"))
    return {}


def _read(path: Path, mistakes: list[Mistake]) -> Document:
    label = path_label(path)
    lines: dict[Pointer, int] = {(): 1}
    try:
        top = YAML().compose(path.read_text("utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        mistakes.append(Mistake(label, mark.line + 1 if mark else 1, f"not YAML: {error.problem}"))
        return Document(path.name, label, {}, lines)
    data = _plain(top, (), lines, label, mistakes)
    if not isinstance(data, dict):
        mistakes.append(Mistake(label, 1, "an OpenAPI document must be a mapping"))
    return Document(path.name, label, data, lines)


def _plain(
    node: YamlNode | None,
    pointer: Pointer,
    lines: dict[Pointer, int],
    label: str,
    mistakes: list[Mistake],
) -> Any:
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*pointer, index)] = item.start_mark.line + 1
        return [
            _plain(item, (*pointer, index), lines, label, mistakes)
            for index, item in enumerate(node.value)
        ]
    if isinstance(node, ScalarNode):
        return _scalar(node)
    if not isinstance(node, MappingNode):
        return None
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in result:
            mistakes.append(Mistake(label, line, f"{key} is given twice"))
        lines[(*pointer, key)] = line
        result[key] = _plain(value_node, (*pointer, key), lines, label, mistakes)
    return result


def _scalar(node: ScalarNode) -> Any:
    tag, text = str(node.tag).rpartition(":")[2], str(node.value)
    if tag == "int":
        return int(text, 0)
    if tag == "float":
        return float(text)
    if tag == "bool":
        return text.lower() == "true"
    return None if tag == "null" else text

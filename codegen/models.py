"""The model modules: components lowered to what datamodel-code-generator turns into good structs.

Lowering happens in memory. It follows references to scalars, gives money and secrets their types,
drops bounds (they become rules of the operation) and defaults (the server applies them), and lets
None stand for "absent" in every property that is not required.
"""

from __future__ import annotations

import textwrap
import warnings
from collections import defaultdict
from typing import Any

from datamodel_code_generator import InputFileType, generate
from datamodel_code_generator.enums import DataModelType
from datamodel_code_generator.format import Formatter, PythonVersion

from .ir import Api, Field, Struct, Type
from .names import snake
from .nodes import Schema

_SANSIO = "fincard_async._sansio"
_CUSTOM = {
    "money": f"{_SANSIO}.money.Money",
    "secret": f"{_SANSIO}.secret.Secret",
    "sealed": f"{_SANSIO}.secret.Sealed",
}
_JSON_TYPES: dict[str, Any] = {
    "text": "string",
    "integer": "integer",
    "timestamp": "integer",
    "boolean": "boolean",
    "either": ["integer", "string"],
}
_WIDTH = 88


def render_models(schema: Schema, api: Api) -> dict[str, str]:
    """Source text of each module of the models package, by module name."""
    lowered = {f"{s.module}.{s.name}": _struct(s, api) for s in api.structs.values()}
    lowered |= {f"{e.module}.{e.name}": _enum(schema, e.name, e.module) for e in api.enums.values()}
    return _generate(dict(sorted(lowered.items())), _attribute_names(api))


def _struct(struct: Struct, api: Api) -> dict[str, Any]:
    return {
        "type": "object",
        "description": wrap(struct.description),
        "properties": {field.wire: _property(field, struct, api) for field in struct.fields},
        "required": [field.wire for field in struct.fields if _always_set(field, struct, api)],
    }


def _always_set(field: Field, struct: Struct, api: Api) -> bool:
    """Required, except for the order number of a request: the pipeline mints it later."""
    numbers = {
        (operation.input.name, operation.order_number.wire)
        for resource in api.resources
        for operation in resource.operations
        if operation.order_number is not None
    }
    return field.required and (struct.name, field.wire) not in numbers


def _property(field: Field, struct: Struct, api: Api) -> dict[str, Any]:
    lowered = _type(field.type, api)
    lowered["description"] = wrap(field.description)
    if not _always_set(field, struct, api):
        lowered["nullable"] = True
    return lowered


def _type(kind: Type, api: Api) -> dict[str, Any]:
    if kind.item is not None:
        return {"type": "array", "items": _type(kind.item, api)}
    if kind.component is not None:
        name = f"{api.module_of(kind.component)}.{kind.component}"
        return {"$ref": f"#/components/schemas/{name}"}
    if kind.kind in _CUSTOM:
        return {"type": "string", "customTypePath": _CUSTOM[kind.kind]}
    return {"type": _JSON_TYPES[kind.kind]}


def _enum(schema: Schema, name: str, module: str) -> dict[str, Any]:
    node = schema.documents[f"{module}.yaml"].root.at("components", "schemas", name)
    assert node is not None, "build() took it from there"
    texts = node.get("x-fincard", "values", default={})
    values = node.get("enum")
    return {
        "type": "string",
        "description": wrap(str(node.get("description") or "")),
        "enum": values,
        "x-enum-varnames": node.get("x-enum-varnames"),
        "x-enum-descriptions": [wrap(str(texts.get(value, value))) for value in values],
    }


def _attribute_names(api: Api) -> dict[str, str]:
    wires = {field.wire for struct in api.structs.values() for field in struct.fields}
    return {wire: snake(wire) for wire in sorted(wires) if snake(wire) != wire}


def wrap(text: str) -> str:
    """Paragraphs of a docstring, folded."""
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    return "\n\n".join(textwrap.fill(part, _WIDTH, break_on_hyphens=False) for part in paragraphs)


def _generate(schemas: dict[str, Any], aliases: dict[str, str]) -> dict[str, str]:
    document = {
        "openapi": "3.0.3",  # only here, for `nullable`; the sources are 3.1
        "info": {"title": "models", "version": "1"},
        "paths": {},
        "components": {"schemas": schemas},
    }
    extra: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    extra["#all#"] = {"base_class_kwargs": {"frozen": True, "kw_only": True}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        modules = generate(
            document,
            input_file_type=InputFileType.OpenAPI,
            output_model_type=DataModelType.MsgspecStruct,
            target_python_version=PythonVersion.PY_311,
            base_class=f"{_SANSIO}.model.Model",
            import_overrides={"StrEnum": f"{_SANSIO}.model"},
            extra_template_data=extra,
            aliases=aliases,
            treat_dot_as_module=True,
            use_exact_imports=True,
            strict_nullable=True,
            use_annotated=False,
            use_schema_description=True,
            use_inline_field_description=True,
            use_single_line_docstring=True,
            use_double_quotes=True,
            skip_root_model=True,
            disable_timestamp=True,
            custom_file_header="#",
            formatters=[Formatter.BUILTIN],
        )
    assert isinstance(modules, dict), "names with a dot always give several modules"
    return {
        path[-1].removesuffix(".py"): str(text)
        for path, text in modules.items()
        if path[-1] != "__init__.py"
    }

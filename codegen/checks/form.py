"""The grammar of a document: every value that the compiler reads has the type that it expects.

The other checks begin only when this one finds nothing, so that none of them has to ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft7Validator

from codegen.nodes import Mistake, Schema

from .words import message_of, nearest


def check_form(schema: Schema) -> Iterator[Mistake]:
    """Values of a wrong type, in every document."""
    validator = Draft7Validator(_DOCUMENT, format_checker=Draft7Validator.FORMAT_CHECKER)
    for document in schema:
        for error in validator.iter_errors(document.data):
            place = nearest(document.root, list(error.absolute_path))
            yield place.mistake(f"{place.key}: {message_of(error)}")


def _object(needs: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in properties.items()}
    return {"type": "object", "required": list(needs), "properties": named}


def _mapping(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def _list(items: dict[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least}


_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS = _list(_TEXT)
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_NUMBER: dict[str, Any] = {"type": "number"}
_TYPE = {"enum": ["string", "integer", "number", "boolean", "array", "object", "null"]}
_SCHEMA = {"$ref": "#/definitions/schema"}

_FIELD_WORDS = _object(
    type=_TEXT,
    sealed=_TEXT,
    rule=_TEXT,
    aliases=_TEXTS,
    at_most_one=_TEXTS,
    values=_mapping(_TEXT),
)
_SCHEMA_FORM = _object(
    type={"anyOf": [_TYPE, _list(_TYPE, 1)]},
    properties=_mapping(_SCHEMA),
    required=_TEXTS,
    items=_SCHEMA,
    allOf=_list(_SCHEMA, 1),
    enum=_list(_TEXT, 1),
    description=_TEXT,
    minLength=_COUNT,
    maxLength=_COUNT,
    minItems=_COUNT,
    maxItems=_COUNT,
    minimum=_NUMBER,
    maximum=_NUMBER,
    exclusiveMinimum=_NUMBER,
    pattern={"type": "string", "format": "regex"},
    x_enum_varnames=_TEXTS,
    x_fincard=_FIELD_WORDS,
)
_SCHEMA_FORM["properties"]["$ref"] = _TEXT

_BODY = _object(
    content=_mapping(_object(schema=_SCHEMA, examples=_mapping({"type": "object"}))),
    description=_TEXT,
)
_OPERATION_WORDS = _object(
    source=_TEXT,
    safety=_TEXT,
    shape=_TEXT,
    order_number=_TEXT,
    kind=_TEXT,
    leading=_TEXT,
    deprecated=_TEXT,
    echo=_TEXTS,
    natural_key=_TEXTS,
    time_window=_object(start=_TEXT, end=_TEXT, field=_TEXT, max_days=_COUNT),
    pagination=_object(page=_TEXT, size=_TEXT, items=_TEXT, total=_TEXT, max_size=_COUNT),
)
_OPERATION = _object(
    operationId=_TEXT,
    summary=_TEXT,
    description=_TEXT,
    x_fincard=_OPERATION_WORDS,
    requestBody=_BODY,
    responses=_mapping(_BODY),
)
_EVENT_WORDS = _object(
    source=_TEXT,
    event=_TEXT,
    state=_TEXT,
    time=_TEXT,
    card=_TEXT,
    order_number=_TEXT,
    natural_key=_TEXTS,
    states=_list(_TEXTS),
    signs=_list(_TEXTS),
    confirmed_by=_object(needs=("query", "filter"), query=_TEXT, filter=_TEXT),
)
_EVENT = _object(summary=_TEXT, description=_TEXT, x_fincard=_EVENT_WORDS, requestBody=_BODY)
_CALLBACKS = _object(
    signature_headers=_TEXTS,
    category_header=_TEXT,
    request_id_header=_TEXT,
    envelope=_mapping(_TEXT),
    retry_after=_list({"type": "integer", "minimum": 1}, 1),
)
_DOCUMENT = {
    **_object(
        needs=("servers", "paths"),
        info=_object(title=_TEXT),
        servers=_list(_object(needs=("url",), url=_TEXT), 1),
        paths=_mapping(_object(post=_OPERATION)),
        webhooks=_mapping(_object(post=_EVENT)),
        components=_object(schemas=_mapping(_SCHEMA), responses=_mapping(_BODY)),
        x_fincard=_object(
            resource=_TEXT,
            summary=_TEXT,
            headers=_mapping(_object(name=_TEXT, values=_TEXTS)),
            errors=_list({"type": "object"}),
            events=_CALLBACKS,
        ),
    ),
    "definitions": {"schema": _SCHEMA_FORM},
}

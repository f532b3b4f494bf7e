"""What the command line offers for each public operation."""

from __future__ import annotations

from collections.abc import Mapping

from .descriptions import describe
from .ir import Api, Enum, Field, Operation, Resource
from .literals import Code, call
from .names import kebab
from .stubs import ordered

_KINDS = {"list": "json", "object": "json"}


def commands(api: Api) -> list[Code]:
    """One ``Command(...)`` for each operation, in the order of the schema."""
    return [
        _command(resource, operation, api.enums)
        for resource in api.public
        for operation in resource.operations
    ]


def _command(resource: Resource, operation: Operation, enums: Mapping[str, Enum]) -> Code:
    fields = ordered(operation)
    if operation.order_number is not None:
        fields.append(operation.order_number)
    if operation.paging is not None:
        fields += [field for field in operation.input.fields if field.name == operation.paging.size]
    return call(
        "Command",
        resource=resource.name,
        name=kebab(operation.method),
        operation_name=operation.name,
        summary=operation.summary,
        shape=operation.shape,
        mutates=operation.mutates,
        leading=operation.leading,
        deprecated=operation.deprecated,
        options=tuple(_option(field, operation, enums) for field in fields),
    )


def _option(field: Field, operation: Operation, enums: Mapping[str, Enum]) -> Code:
    choices = enums[field.type.component or ""].values if field.type.kind == "enum" else ()
    return call(
        "Option",
        flag=f"--{kebab(field.name)}",
        name=field.name,
        kind=_KINDS.get(field.type.kind, field.type.kind),
        required=field.required and field in ordered(operation),
        choices=choices,
        help=describe(field, {}),
        secret=field.type.kind == "secret",
    )

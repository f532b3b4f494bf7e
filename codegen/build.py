"""From checked documents to the records of ``ir``."""

from __future__ import annotations

from typing import Any

from . import ir
from .build_events import build_callbacks
from .build_wire import build_wire
from .names import pascal, snake
from .nodes import Document, Node, Schema
from .parts import Parts, one_line, operations
from .properties import Property, is_enum


def build(schema: Schema) -> ir.Api:
    """Compile every document; the schema must have passed ``check``."""
    builder = _Builder(schema)
    resources = tuple(
        builder.resource(document) for document in schema if document.root.get("paths")
    )
    callbacks = build_callbacks(schema, builder.struct)
    modules = {struct.module for struct in builder.structs.values()}
    modules |= {enum.module for enum in builder.enums.values()}
    return ir.Api(
        structs=builder.structs,
        enums=builder.enums,
        resources=resources,
        wire=build_wire(schema),
        callbacks=callbacks,
        modules=tuple(sorted(modules)),
    )


class _Builder:
    """Collects the components that operations reach."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.structs: dict[str, ir.Struct] = {}
        self.enums: dict[str, ir.Enum] = {}

    def resource(self, document: Document) -> ir.Resource:
        root = document.root
        name = str(root.get("x-fincard", "resource"))
        return ir.Resource(
            name=name,
            class_name=pascal(name),
            summary=one_line(root.get("x-fincard", "summary") or root.get("info", "title")),
            internal=bool(root.get("x-fincard", "internal")),
            operations=tuple(
                self._operation(parts) for parts in operations(self._schema, document)
            ),
        )

    def _operation(self, parts: Parts) -> ir.Operation:
        shape, result = parts.answer
        assert parts.request is not None, "check() lets none pass"
        assert result is not None, "check() lets none pass"
        request, answer = self.struct(parts.request), self.struct(result)
        word = _words(parts.node)
        number, leading = word.get("order-number"), word.get("leading")
        prefix = "records[]." if shape == "page" else "[]." if shape == "list" else ""
        return ir.Operation(
            name=parts.name,
            path=parts.full_path,
            summary=one_line(parts.node.get("summary")),
            description=str(parts.node.get("description") or "").strip(),
            source=one_line(word["source"]),
            safety=str(word["safety"]),
            input=request,
            output=answer,
            shape=shape,
            or_true=bool(word.get("or-true")),
            wallet_pays=bool(word.get("wallet-pays")),
            order_number=request.field(number) if number else None,
            kind=word.get("kind"),
            settled_by=word.get("settled-by"),
            leading=snake(leading) if leading else None,
            echo=tuple((snake(wire), snake(wire)) for wire in word.get("echo", ())),
            paging=_paging(word),
            sealed=tuple(self._sealed(answer, prefix)),
            times=tuple(field.name for field in answer.fields if field.type.kind == "timestamp"),
            aliases=tuple(dict.fromkeys(self._aliases(answer))),
            deprecated=one_line(word["deprecated"]) if "deprecated" in word else None,
        )

    def struct(self, node: Node) -> ir.Struct:
        """The struct of a component; made once, and the components below it too."""
        if node.key not in self.structs:
            required = node.get("required", default=[])
            fields = tuple(
                self._field(child, child.key in required) for child in node.children("properties")
            )
            group = node.get("x-fincard", "at-most-one", default=[])
            self.structs[node.key] = ir.Struct(
                name=node.key,
                module=node.document.module,
                description=str(node.get("description") or "").strip(),
                fields=fields,
                at_most_one=tuple(map(snake, group)),
            )
        return self.structs[node.key]

    def _field(self, node: Node, required: bool) -> ir.Field:
        found = Property(self._schema, node)
        item = found.items
        self._reach(found)
        assert found.type is not None, "check() lets none pass"
        return ir.Field(
            name=snake(node.key),
            wire=node.key,
            type=found.type,
            required=required,
            description=found.description,
            limits=found.limits,
            item_limits=item.limits if item is not None else ir.Limits(),
            default=found.default,
            check=found.fincard.get("rule"),
            sealed=bool(found.fincard.get("sealed")),
            aliases=tuple(found.fincard.get("aliases", ())),
        )

    def _reach(self, found: Property) -> None:
        component = found.component
        if component is None:
            if (item := found.items) is not None:
                self._reach(item)
        elif is_enum(component):
            self.enums[component.key] = ir.Enum(
                name=component.key,
                module=component.document.module,
                values=tuple(map(str, component.get("enum"))),
            )
        else:
            self.struct(component)

    def _sealed(self, struct: ir.Struct, prefix: str) -> list[str]:
        paths: list[str] = []
        for field in struct.fields:
            below, suffix = _nested(field.type)
            if field.sealed:
                paths.append(f"{prefix}{field.wire}")
            elif below is not None:
                paths += self._sealed(self.structs[below], f"{prefix}{field.wire}{suffix}.")
        return paths

    def _aliases(self, struct: ir.Struct) -> list[tuple[str, str]]:
        pairs: list[tuple[str, str]] = []
        for field in struct.fields:
            pairs += [(other, field.wire) for other in field.aliases]
            below, _ = _nested(field.type)
            if below is not None:
                pairs += self._aliases(self.structs[below])
        return pairs


def _nested(kind: ir.Type) -> tuple[str | None, str]:
    """The struct inside a type, and what a path to it says about lists."""
    if kind.item is not None:
        return _nested(kind.item)[0], "[]"
    return (kind.component if kind.kind == "object" else None), ""


def _words(node: Node) -> dict[str, Any]:
    found = node.get("x-fincard", default={})
    return dict(found)


def _paging(word: dict[str, Any]) -> ir.Paging | None:
    pages = word.get("pagination")
    if pages is None:
        return None
    window = word.get("time-window", {})
    return ir.Paging(
        page=snake(pages["page"]),
        size=snake(pages["size"]),
        max_size=int(pages["max-size"]),
        natural_key=tuple(map(snake, word["natural-key"])),
        start=snake(window["start"]) if window else None,
        end=snake(window["end"]) if window else None,
        time=snake(window["field"]) if window else None,
        max_days=int(window["max-days"]) if "max-days" in window else None,
    )

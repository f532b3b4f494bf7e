"""What all operations share, from ``common.yaml``."""

from __future__ import annotations

from . import ir
from .nodes import Schema
from .parts import one_line, url_path


def build_wire(schema: Schema) -> ir.Wire:
    """Headers, error table and bounds, from the top of ``common.yaml``."""
    common = schema.documents["common.yaml"].root
    headers = [
        ir.Header(
            key=node.key,
            name=str(node.get("name")),
            required=bool(node.get("required")),
            description=one_line(node.get("description")),
        )
        for node in common.children("x-fincard", "headers")
    ]
    refusals = [
        ir.Refusal(
            http=row.get("http"),
            code=row.get("code"),
            text=row.get("text"),
            error=str(row.get("error")),
            final=bool(row.get("final")),
        )
        for row in common.children("x-fincard", "errors")
    ]
    number = common.get("x-fincard", "order-number")
    envelope = common.children("components", "schemas", "Envelope", "properties")
    return ir.Wire(
        api_prefix=url_path(common),
        headers=tuple(headers),
        platforms=tuple(common.get("x-fincard", "headers", "platform", "values", default=())),
        refusals=tuple(refusals),
        order_number=(number["min"], number["max"]),
        page_size=(
            common.get("x-fincard", "page-size", "default"),
            common.get("x-fincard", "page-size", "max"),
        ),
        envelope_keys=tuple(node.key for node in envelope),
    )

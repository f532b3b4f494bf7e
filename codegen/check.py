"""Refuse a schema that breaks the house rules, with every mistake at its line."""

from __future__ import annotations

from .checks.components import check_components
from .checks.events import check_events
from .checks.examples import check_examples
from .checks.form import check_form
from .checks.operations import check_operations
from .checks.words import check_words
from .nodes import Mistake, Schema, SchemaError


def check(schema: Schema) -> None:
    """Raise SchemaError if anything is wrong."""
    if malformed := set(check_form(schema)):
        raise SchemaError(sorted(malformed))
    found: set[Mistake] = set()
    for rule in (check_words, check_components, check_operations, check_events, check_examples):
        found.update(rule(schema))
    if found:
        raise SchemaError(sorted(found))

"""Writes the table of faults into ``docs/reliability.md``."""

from .table import PAGE, in_page, render

PAGE.write_text(in_page(PAGE.read_text("utf-8"), render()), "utf-8")

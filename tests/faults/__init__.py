"""Faults and load: many cases, run by ``nox -s faults``."""

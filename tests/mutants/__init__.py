"""Seeded bugs, and the tests that must notice them: ``nox -s mutants``."""

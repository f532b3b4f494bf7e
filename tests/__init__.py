"""The tests; see README.md."""

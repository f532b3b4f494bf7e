"""Everything that awaits, through ports only: no HTTP library, no event loop by name."""

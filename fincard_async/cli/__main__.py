"""``python -m fincard_async.cli``: the same as ``fincard``."""

from . import main

main()

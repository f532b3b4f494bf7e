"""Sphinx settings; `nox -s docs` builds with warnings as errors."""

from fincard_async._version import __version__

project = "fincard-async"
copyright = "The fincard-async contributors"
author = "The fincard-async contributors"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"fincard-async {release}"
myst_heading_anchors = 3
autodoc_member_order = "bysource"

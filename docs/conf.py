"""How Sphinx makes the site: `make docs` builds it into build/site, from README, CHANGELOG and the pages of this folder.

The source directory is the top of the repository, so that links between all pages are the same there, in an editor and in
the site. Nothing is fetched from elsewhere, neither while it is built nor while it is read.
"""

from __future__ import annotations

from pathlib import Path

from neuralterm.version import __version__

project = "neuralterm"
release = __version__
html_title = f"neuralterm {release}"

extensions = ["myst_parser"]
include_patterns = ["README.md", "CHANGELOG.md", "docs/**.md"]
root_doc = "docs/index"

# Headings can be linked to as GitHub does it: `configuration.md#the-key`.
myst_heading_anchors = 3
# With `-W`, a link that leads nowhere fails the build.
nitpicky = True
# Quotation marks stay as they are typed.
smartquotes = False

html_theme = "furo"
html_extra_path = ["site"]
html_search_scorer = str(Path(__file__).with_name("search_scorer.js"))
html_copy_source = False
html_use_index = False  # there is nothing in it: the pages describe commands, not objects
html_show_copyright = False
pygments_style = "default"
pygments_dark_style = "native"

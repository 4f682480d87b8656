"""Emphasis and code within a line are those of CommonMark, by the word of another reader of it."""

import re

from hypothesis import assume, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from neuralterm.components.markdown_inline import inline

READER = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")
TOKENS = ["*", "**", "***", "_", "__", "~~", "`", "``", "a", "b", "é", " ", "a b", ".", "(", '"', "\\*", "\\_"]


def by_the_other(text):
    """Return each character, and whether it is strong, emphasised, struck through and code."""
    cells, depth = [], {"strong": 0, "em": 0, "s": 0}
    for token in READER.parseInline(text)[0].children:
        kind, _, end = token.type.rpartition("_")
        if end in ("open", "close") and kind in depth:
            depth[kind] += 1 if end == "open" else -1
        else:
            looks = (*(level > 0 for level in depth.values()), token.type == "code_inline")
            cells += [(character, *looks) for character in token.content]
    return [cell for cell in cells if cell[0].strip()]


def by_ours(text):
    cells = []
    for piece, style in inline(text).settled:
        codes = style.split(";")
        cells += [(character, *(code in codes for code in ("1", "3", "9", "36"))) for character in piece]
    return [cell for cell in cells if cell[0].strip()]


@given(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=14).map("".join))
def test_marks_belong_together_as_in_commonmark(text):
    # Of longer runs of tildes the other reader makes several marks; GitHub's rules know only one or two.
    assume("~~~" not in text and text.strip())
    assume(not re.search("__[ab][ab_]+__", text))  # a name in Python
    assert by_ours(text.strip()) == by_the_other(text.strip())

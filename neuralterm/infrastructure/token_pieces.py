"""Cuts text so that tiktoken takes about as long for each byte of the worst of it as for prose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from neuralterm.domain.text import join_surrogates

# Characters. tiktoken takes longer for each byte of a run without a break the longer the run is, and panics on a million spaces
# in a row: a run of twice this is cut, wherever that is. No language, and no layout, has words or gaps that are so long.
LONGEST_RUN = 2048

# What may be one piece for tiktoken: letters with their marks (whatever is beyond ASCII and Latin-1's signs, but for the
# punctuation that divides Chinese and Japanese), signs with the line ends that follow them, white space. No character is
# in two alternatives of one group, and nothing is given back: the time is linear.
_UNBROKEN = re.compile(
    r"[^\0-@\[-`{-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\u2000-\u206f\u3001-\u3003\u3008-\u301f\uff01-\uff20]++"
    r"|(?:[^\w\s]|[_\r\n\x1c-\x1f])++"
    r"|\s++"
)
_LONE_SURROGATES = re.compile("(?:[\ud800-\udbff](?![\udc00-\udfff]))+|(?:(?<![\ud800-\udbff])[\udc00-\udfff])+")


def parts(text: str) -> Iterator[str]:
    """Cut a text inside of runs without a break; no such run in a part is longer than twice `LONGEST_RUN`."""
    start = 0
    for position in range(0, len(text) - LONGEST_RUN, LONGEST_RUN):
        end = position + LONGEST_RUN
        if _UNBROKEN.fullmatch(text, position, end):
            yield text[start:end]
            start = end
    yield text[start:]


def well_formed(text: str) -> str:
    """Return the text as tiktoken would read it: it takes a microsecond for each character that UTF-8 can't hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return join_surrogates(_LONE_SURROGATES.sub(lambda run: "\ufffd" * len(run[0]), text))
    return text

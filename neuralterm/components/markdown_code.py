"""Colours for code, a line at a time, by the lexers of Pygments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from neuralterm.components.markdown_spans import Span, joined, plain

if TYPE_CHECKING:
    from pygments.lexer import Lexer

# Characters of the lines that a string or comment has gone on over; they are read again with each further line of it.
_WINDOW = 4000
# Characters that are coloured of a line that is not complete.
_PREVIEW = 200
_ROOT = ("root",)
_BLUE, _GREEN, _CYAN, _MAGENTA, _RED, _DIM = "34", "32", "36", "35", "31", "2"
_LOOKS = {
    "Keyword": _MAGENTA,
    "Keyword.Constant": _CYAN,
    "Keyword.Type": _CYAN,
    "Operator.Word": _MAGENTA,
    "Name.Builtin": _CYAN,
    "Name.Class": joined("1", _BLUE),
    "Name.Decorator": _BLUE,
    "Name.Exception": _CYAN,
    "Name.Function": _BLUE,
    "Name.Tag": _MAGENTA,
    "Name.Attribute": _BLUE,
    "Literal.Number": _CYAN,
    "Literal.String": _GREEN,
    "Comment": _DIM,
    "Comment.Preproc": _MAGENTA,
    "Generic.Deleted": _RED,
    "Generic.Inserted": _GREEN,
    "Generic.Heading": "1",
    "Generic.Subheading": _CYAN,
    "Generic.Prompt": _DIM,
    "Generic.Output": "",
}
_GOES_ON = ("Comment.Multiline", "Literal.String")
# Some lexers know a comment by its end only, which is yet to come.
_COMMENTS = {"/*": "*/", "<!--": "-->"}


class Highlighter:
    """Colours the lines of one block. Without a lexer for its language, and after a fault of that, they are plain."""

    def __init__(self, language: str) -> None:
        self._lexer = _lexer(language)
        self._states = _States.of(self._lexer)
        self._stack: tuple[str, ...] = _ROOT
        self._window = ""
        self._last_look = ""
        self._previewed: tuple[str, list[Span]] = ("", [])
        self._is_lost = False

    def line(self, text: str) -> list[Span]:
        """Colour the next line, which has no newline at its end."""
        if self._lexer is None:
            return [(text, "")]
        source = f"{self._window}{text}\n"
        end = _missing_end(source)
        tokens = self._tokens(source + end)
        spans = _spans(tokens, len(self._window), len(source) - 1)
        self._remember(source, tokens, is_open=bool(end))
        return spans if plain(spans) == text else [(text, "")]

    def preview(self, text: str) -> list[Span]:
        """Colour the beginning of the next line, as far as that is quick."""
        if self._lexer is None or self._window:
            return [(text, self._last_look if self._window else "")]
        begin, rest = text[:_PREVIEW], text[_PREVIEW:]
        if begin != self._previewed[0]:
            spans = _spans(self._tokens(begin), 0, len(begin))
            self._previewed = (begin, spans if plain(spans) == begin else [(begin, "")])
        return [*self._previewed[1], (rest, "")] if rest else self._previewed[1]

    def skip_line(self) -> None:
        """Begin anew after a line that is not coloured."""
        self._stack, self._window = _ROOT, ""

    def _remember(self, source: str, tokens: list[tuple[int, str, str]], *, is_open: bool) -> None:
        if not tokens:
            return
        goes_on = is_open or (tokens[-1][2].endswith("\n") and tokens[-1][1].startswith(_GOES_ON))
        if goes_on and not self._is_lost and len(source) <= _WINDOW:
            self._window, self._last_look = source, _look(tokens[-1][1])
            return
        # From here on without what came before, but for the state that the lexer is in.
        self._is_lost = self._is_lost or goes_on
        self._window = ""
        state = None if self._states is None else self._states.last
        self._stack = _ROOT if state in (None, "root") else ("root", state)

    def _tokens(self, source: str) -> list[tuple[int, str, str]]:
        lexer: Any = self._lexer
        if lexer is None:
            return []
        try:
            found = lexer.get_tokens_unprocessed(source, *([self._stack] if self._states else []))
            return [(place, str(kind).removeprefix("Token."), text) for place, kind, text in found]
        except Exception:  # a fault in one of hundreds of lexers must not break an answer
            self._lexer = None
            return []


class _States(dict[str, Any]):
    """The states of a lexer by name; knows which was looked up last, which is the one it is in."""

    last: str | None = None

    def __getitem__(self, name: str) -> Any:
        self.last = name
        return super().__getitem__(name)

    @classmethod
    def of(cls, lexer: Lexer | None) -> _States | None:
        """Put it into a lexer that works by states alone; None for any other."""
        if lexer is None:
            return None
        from pygments.lexer import RegexLexer

        if (
            not isinstance(lexer, RegexLexer)
            or type(lexer).get_tokens_unprocessed is not RegexLexer.get_tokens_unprocessed
        ):
            return None
        states = cls(lexer._tokens)
        lexer._tokens = states
        return states


def _lexer(language: str) -> Lexer | None:
    name = language.lower()
    if not re.fullmatch(r"[\w+#./-]{1,40}", name):
        return None
    from pygments.lexers import get_all_lexers, get_lexer_by_name

    # Only those that are part of the library: to look for others takes long, and runs what they are.
    if not any(name in aliases for _, aliases, _, _ in get_all_lexers(plugins=False)):
        return None
    try:
        return get_lexer_by_name(name, startinline=True)
    except Exception:
        return None


def _missing_end(source: str) -> str:
    """Return what ends the comment that a text ends in the middle of; empty if it may be none."""
    return next((end for begin, end in _COMMENTS.items() if source.rfind(begin) > source.rfind(end)), "")


def _spans(tokens: Iterable[tuple[int, str, str]], start: int, end: int) -> list[Span]:
    spans = []
    for place, kind, text in tokens:
        piece = text[max(start - place, 0) : max(end - place, 0)]
        if piece:
            spans.append((piece, _look(kind)))
    return spans


def _look(kind: str) -> str:
    while kind and kind not in _LOOKS:
        kind = kind.rpartition(".")[0]
    return _LOOKS.get(kind, "")

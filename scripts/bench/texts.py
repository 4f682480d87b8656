"""Texts that a tokenizer may be slow with, and prose to hold them against."""

from __future__ import annotations

import base64
import random
import re
import string
from collections.abc import Iterator
from pathlib import Path

PROSE = "prose"

_ROOT = Path(__file__).resolve().parents[2]
# Short pieces that are repeated: runs without a boundary, of all kinds of characters.
_UNITS = {
    "letter a": "a",
    "letter z": "z",
    "capital A": "A",
    "spaces": " ",
    "tabs": "\t",
    "newlines": "\n",
    "carriage returns": "\r",
    "space and newline": " \n",
    "no-break spaces": "\u00a0",
    "equals signs": "=",
    "dots": ".",
    "slashes": "/",
    "zeros": "0",
    "null characters": "\0",
    "combining marks": "\u0301",
    "emoji": "\U0001f600",
    "family emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "zero-width spaces": "\u200b",
    "one Chinese sign": "\u7684",
    "capital and small": "aA",
    "apostrophes": "'s",
    "lone surrogates": "\ud800",
}


def texts(size: int) -> Iterator[tuple[str, str]]:
    """Yield names and texts of about so many bytes; the same ones each time."""
    chance = random.Random(5)
    yield PROSE, _prose(size)
    for name, unit in _UNITS.items():
        length = len(unit.encode("utf-8", "surrogatepass"))
        yield name, unit * (size // length)
    for name, alphabet in _ALPHABETS.items():
        width = len(alphabet[0].encode())
        yield name, "".join(chance.choices(alphabet, k=size // width))
    yield "random words", " ".join("".join(chance.choices(string.ascii_lowercase, k=8)) for _ in range(size // 9))
    yield "signs and line ends", "".join(chance.choices("=-/.\n\r", k=size))
    yield "base64", base64.b64encode(chance.randbytes(size * 3 // 4)).decode()
    yield "hexadecimal", chance.randbytes(size // 2).hex()
    yield "spaces, then a letter", " " * (size - 1) + "x"


_ALPHABETS = {
    "random small letters": string.ascii_lowercase,
    "random letters": string.ascii_letters,
    "random digits": string.digits,
    "random punctuation": string.punctuation,
    "random white space": " \t\n\r\u00a0",
    "random blanks": " \t",
    "random control characters": "".join(map(chr, [*range(9), *range(14, 32)])),
    "random Chinese": "".join(map(chr, range(0x4E00, 0x9FA0))),
    "random Hangul": "".join(map(chr, range(0xAC00, 0xD7A0))),
    "random Cyrillic": "".join(map(chr, range(0x410, 0x450))),
    "random combining marks": "".join(map(chr, range(0x300, 0x370))),
    "random emoji": "".join(map(chr, range(0x1F300, 0x1F600))),
}


def _prose(size: int) -> str:
    """Return English: the paragraphs of the documentation, again and again."""
    pages = [_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))]
    without_code = (re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S) for page in pages)
    text = "\n".join(line for page in without_code for line in page.splitlines() if line[:1].isalpha()) + "\n"
    return (text * (size // len(text) + 1))[:size]

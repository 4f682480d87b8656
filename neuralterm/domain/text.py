"""Text from outside: on one line, shortened, without secrets, or as UTF-8 can hold it; and counts in words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

# No key is shorter; blotting out a short one would leave nothing of the text to read.
_SHORTEST_KEY = 8
_FENCES = ("```", "~~~")
# Characters of a prompt that are looked at for what it is about.
_FIRST_PART, _LAST_PART = 4000, 1000
_PLAIN_IN_URLS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def one_line(text: str) -> str:
    """Return the text with every run of white space, newlines included, as one space."""
    return " ".join(text.split())


def shortened(text: str, width: int) -> str:
    """Return the text on one line of at most `width` characters; `…` stands for what is left out.

    It is cut between words where that leaves two thirds of the room used, and never within what is read as one character.
    """
    line = one_line(text)
    if len(line) <= width:
        return line
    end = max(width - 1, 0)
    if not line.isascii():
        from neuralterm.domain.graphemes import is_border

        while not is_border(line, end):
            end -= 1
    if line[end : end + 1] != " " and (space := line.rfind(" ", 0, end)) * 3 >= width * 2:
        end = space
    return line[:end].rstrip() + "…"


def headline(text: str) -> str:
    """Return the line of a prompt that tells best what it is about, without the signs of a heading or a list; or nothing.

    Lines without letters or digits, fences of code and names of files above their text are passed over. Below a file or a
    block of code, the last paragraph is taken if it is one line.
    """
    lines = [line.strip() for line in text[:_FIRST_PART].splitlines()]
    begun = next((number for number, line in enumerate(lines) if line), None)
    if begun is None:
        return ""
    if _is_preamble(lines[begun]) and (request := _last_paragraph(text)):
        return request
    found = next((line for line in lines if not _is_preamble(line) and any(map(str.isalnum, line))), lines[begun])
    return found.lstrip("#>*- ") or found


def _is_preamble(line: str) -> bool:
    """Say whether a line is a fence of code, or a file's name with a colon."""
    name = line.removesuffix(":")
    is_name = name != line and " " not in name and ("." in name or "/" in name)
    return line.startswith(_FENCES) or is_name


def _last_paragraph(text: str) -> str:
    """Return the last paragraph if it is a single line of words, else nothing; a fence ends what is above too."""
    *above, last = text.rstrip()[-_LAST_PART:].splitlines()
    is_alone = bool(above) and (not above[-1].strip() or above[-1].startswith(_FENCES))
    is_words = is_alone and not last.startswith((*_FENCES, " ", "\t"))
    return last if is_words and any(map(str.isalnum, last)) else ""


def numbered(count: int, noun: str) -> str:
    """Write how many there are of something: `1 call`, `1,234 calls`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def has_surrogates(text: str) -> bool:
    """Say whether there is any half of a surrogate pair in the text, which UTF-8 can't hold."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def join_surrogates(text: str) -> str:
    """Join surrogate pairs to the characters they stand for; lone surrogates become U+FFFD."""
    if not has_surrogates(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def without_key(text: str, key: str | None) -> str:
    """Return the text with the key blotted out. What is shorter than any key is no secret."""
    for form in key_forms(key):
        if form in text:
            text = text.replace(form, "[key]")
    return text


def without_password(url: str) -> str:
    """Return an address without the name and the password that may stand before its host."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


@lru_cache(maxsize=8)
def key_forms(key: str | None) -> tuple[str, ...]:
    """Return how the key may be written, itself first: percent-encoded, and in base64 wherever it begins there.

    Nothing for what is shorter than any key.
    """
    if key is None or len(key) < _SHORTEST_KEY:
        return ()
    written = key.encode("utf-8", "replace")
    percent = "".join(chr(byte) if byte in _PLAIN_IN_URLS else f"%{byte:02X}" for byte in written)
    return tuple(dict.fromkeys((key, percent, *_in_base64(written))))


def _in_base64(key: bytes) -> Iterator[str]:
    """Yield what of the base64 of any bytes with the key in them depends on the key alone, by where it begins."""
    from binascii import b2a_base64

    for offset in range(3):
        written = b2a_base64(bytes(offset) + key, newline=False).decode()
        inner = written[(0, 2, 3)[offset] : (offset + len(key)) * 4 // 3]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")

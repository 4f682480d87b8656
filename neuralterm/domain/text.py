"""Text from outside: on one line, shortened, without secrets, or as UTF-8 can hold it; and counts in words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

# No key is shorter; blotting out a short one would leave nothing of the text to read.
_SHORTEST_KEY = 8
_PLAIN_IN_URLS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def one_line(text: str) -> str:
    """Return the text with every run of white space, newlines included, as one space."""
    return " ".join(text.split())


def shortened(text: str, width: int) -> str:
    """Return the text on one line of at most `width` characters; `…` stands for what is left out."""
    line = one_line(text)
    return line if len(line) <= width else line[: max(width - 1, 0)].rstrip() + "…"


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

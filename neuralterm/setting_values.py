"""Values of configuration files and environment variables, read and checked. Each refusal is a `ConfigurationError`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuralterm.domain.base_url import plain_base_url
from neuralterm.domain.budget import checked_warning_level
from neuralterm.domain.exceptions import ConfigurationError, ValidationError
from neuralterm.domain.loopback import is_loopback
from neuralterm.domain.money import parse_usd
from neuralterm.domain.text import without_password
from neuralterm.domain.zones import time_zone

if TYPE_CHECKING:
    from urllib.parse import SplitResult


# Digits of other scripts and `1_000` are numbers to Python, and more likely a slip than an amount.
_AMOUNT = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
# Control characters, and what ends a line or a paragraph.
_NOT_IN_TAGS = ("Cc", "Zl", "Zp")


@contextmanager
def naming(where: Path | str) -> Iterator[None]:
    """Let refusals of what is read inside begin with the place where it is written, if they do not yet."""
    try:
        yield
    except ConfigurationError as error:
        if error.message.startswith(f"{where}"):
            raise
        raise ConfigurationError(f"{where}: {error.message}", hint=error.hint) from error


def refuse_unknown(table: Mapping[str, Any], known: Collection[str], where: Path | str) -> None:
    """Refuse a key that is not known: a misspelt budget that is silently ignored would be money lost."""
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ConfigurationError(
            f"{where}: unknown setting {unknown[0]!r}", hint=f"known settings: {', '.join(sorted(known))}"
        )


def amounts_in(table: Mapping[str, Any], key: str, names: Collection[str]) -> Mapping[str, Any]:
    """Return a table within a table whose keys may only be these; empty where there is none."""
    value = table.get(key, {})
    if not isinstance(value, Mapping) or set(value) - set(names):
        raise ConfigurationError(f"[{key}] takes amounts in USD for {', '.join(names)}")
    return value


def model_in(table: Mapping[str, Any], key: str) -> str | None:
    """Return the id of a model; None for a missing or empty one."""
    name = text_in(table, key)
    if name is not None and not name.isprintable():
        raise ConfigurationError(f"{key} is {name[:80]!r}, which is no model's name")
    return name


def text_in(table: Mapping[str, Any], key: str) -> str | None:
    """Return a text; None for a missing or empty one."""
    value = table.get(key)
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{key} must be a text")
    return value or None


def flag_in(table: Mapping[str, Any], key: str) -> bool | None:
    """Return true or false; None for a missing one."""
    value = table.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise ConfigurationError(f"{key} must be true or false")


def whole_in(table: Mapping[str, Any], key: str) -> int | None:
    """Return a whole number of at least 1; None for a missing one."""
    value = table.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ConfigurationError(f"{key} must be a whole number of at least 1")


def zone_in(table: Mapping[str, Any], key: str) -> str | None:
    """Return the name of a time zone that there is; None for a missing one."""
    name = text_in(table, key)
    if name is None and key in table:
        raise ConfigurationError(f"{key} is empty", hint="leave it out for UTC, or write a name such as Europe/Berlin")
    if name is not None:
        try:
            time_zone(name)
        except ValidationError as error:
            raise ConfigurationError(f"{key}: {error.message}", hint=error.hint) from error
    return name


def level_in(table: Mapping[str, Any], key: str, default: Decimal) -> Decimal:
    """Return a warning level; the default for a missing one."""
    level = amount_in(table, key)
    try:
        return default if level is None else checked_warning_level(level)
    except ValidationError as error:
        raise ConfigurationError(f"{key}: {error.message}") from error


def seconds_in(table: Mapping[str, Any], key: str, *, allow_zero: bool = False) -> float | None:
    """Return a finite number of seconds; None for a missing one."""
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        seconds = float(Decimal(value))  # by way of Decimal: one too large becomes infinite, and raises nothing
        if 0 < seconds < float("inf") or (seconds == 0 and allow_zero):
            return seconds
    raise ConfigurationError(f"{key} must be a number of seconds" + (", 0 or more" if allow_zero else " above 0"))


def parse_seconds(text: str, name: str) -> float:
    """Return a finite number of seconds, 0 or more; `name` is what a refusal calls it."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("nan")
    return seconds_in({name: number if number.is_finite() else text}, name, allow_zero=True) or 0.0


def amount_in(table: Mapping[str, Any], key: str) -> Decimal | None:
    """Return an amount in USD; None for a missing one."""
    return None if table.get(key) is None else parse_amount(table[key], key)


def parse_amount(value: object, name: str) -> Decimal:
    """Return an amount in USD, as `usd_or_none`; `name` is what a refusal calls it."""
    amount = None if isinstance(value, bool) else usd_or_none(str(value))
    if amount is None:
        raise ConfigurationError(f"{name} is {str(value)!r}, which is not an amount in USD")
    return amount


def usd_or_none(text: str) -> Decimal | None:
    """Return an amount in USD of zero or more, below a thousand million, a leading `$` allowed; None for any other text."""
    return number_or_none(text.strip().removeprefix("$"))


def number_or_none(text: str) -> Decimal | None:
    """Return a number of zero or more, below a thousand million; None for any other text."""
    written = text.strip()
    return parse_usd(written) if re.fullmatch(_AMOUNT, written) else None


def patterns_in(table: Mapping[str, Any], key: str) -> list[re.Pattern[str]]:
    """Return a list of regular expressions, none of which can take long."""
    if key not in table:
        return []
    from neuralterm.application.own_patterns import MOST_PATTERNS, checked_pattern

    texts = table[key]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or len(texts) > MOST_PATTERNS:
        raise ConfigurationError(f"{key} must be a list of regular expressions, {MOST_PATTERNS} at most")
    try:
        return [checked_pattern(text) for text in texts]
    except ValidationError as error:
        raise ConfigurationError(f"{key}: {error.message}", hint=error.hint) from error


def tags_in(table: Mapping[str, Any], key: str) -> list[str]:
    """Return a list of tags; empty ones are left out."""
    tags = table.get(key, [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ConfigurationError(f'{key} must be a list of texts, like ["ci", "docs"]')
    return tags_of(tags)


def tags_of(texts: Iterable[str]) -> list[str]:
    """Return texts that are tags; empty ones are left out."""
    try:
        return [checked_tag(text) for text in texts if text.strip()]
    except ValidationError as error:
        raise ConfigurationError(error.message, hint=error.hint) from error


def checked_tag(text: str) -> str:
    """Return a tag. Raises `ValidationError` for one that is empty or has control characters, such as a newline."""
    if not text.strip():
        raise ValidationError("a tag is empty", hint="leave it out")
    from unicodedata import category

    if any(category(character) in _NOT_IN_TAGS for character in text):
        raise ValidationError(f"the tag {text!r} has control characters", hint="a tag is text on one line")
    return text


def checked_base_url(text: str, *, allow_insecure_http: bool) -> str:
    """Return a base URL without a slash at its end."""
    url = text.strip().rstrip("/")
    plain = plain_base_url(url)
    scheme, host = _split(url) if plain is None else (plain.scheme, plain.host)
    if scheme == "http" and not is_loopback(host) and not allow_insecure_http:
        raise ConfigurationError(
            f"the base URL {without_password(url)!r} would send the key over plain http",
            hint="use https, or set allow_insecure_http = true in the user's config file",
        )
    return url


def server_key(text: str) -> str:
    """Return a base URL as all its spellings have it: scheme and host in lower case, no slash at the end."""
    parts = _split_url(text.strip().rstrip("/"))
    return parts._replace(netloc=parts.netloc.lower()).geturl()


def _split(url: str) -> tuple[str, str]:
    parts = _split_url(url)
    return parts.scheme, parts.hostname or ""


def _split_url(url: str) -> SplitResult:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one that is no number
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"the base URL {without_password(url)!r} is not an http(s) address")
    return parts

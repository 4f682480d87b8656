"""Values of configuration files and environment variables, read and checked. Each refusal is a `ConfigurationError`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from neuralterm.domain.exceptions import ConfigurationError, ValidationError
from neuralterm.domain.record import record
from neuralterm.domain.text import without_password

if TYPE_CHECKING:
    import re
    from decimal import Decimal
    from urllib.parse import SplitResult


# What the variables of the environment begin with that are budgets, or about them.
BUDGET_PREFIX = "NEURALTERM_BUDGET"
# Control characters, and what ends a line or a paragraph.
_NOT_IN_TAGS = ("Cc", "Zl", "Zp")
_T = TypeVar("_T")


@record
class ConfigurationFile:
    """What a configuration file says; nothing for one that is not there."""

    path: str
    says: Mapping[str, Any]

    def get(self, read: Callable[..., _T], key: str, **more: Any) -> _T:
        """Read a value; a refusal names the file."""
        with naming(self.path):
            return read(self.says, key, **more)


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Let refusals of what is read inside begin with the place where it is written, if they do not yet."""
    try:
        yield
    except ConfigurationError as error:
        if error.message.startswith(where):
            raise
        raise ConfigurationError(f"{where}: {error.message}", hint=error.hint) from error


def refuse_unknown(table: Mapping[str, Any], known: Collection[str], where: str) -> None:
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
        from neuralterm.domain.zones import time_zone

        try:
            time_zone(name)
        except ValidationError as error:
            raise ConfigurationError(f"{key}: {error.message}", hint=error.hint) from error
    return name


def seconds_in(table: Mapping[str, Any], key: str, *, allow_zero: bool = False) -> float | None:
    """Return a finite number of seconds; None for a missing one."""
    value = table.get(key)
    if value is None:
        return None
    from neuralterm.setting_amounts import checked_seconds

    return checked_seconds(value, key, allow_zero=allow_zero)


def amount_in(table: Mapping[str, Any], key: str) -> Decimal | None:
    """Return an amount in USD; None for a missing one."""
    if table.get(key) is None:
        return None
    from neuralterm.setting_amounts import parse_amount

    return parse_amount(table[key], key)


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
    from neuralterm.domain.base_url import plain_base_url
    from neuralterm.domain.loopback import is_loopback

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

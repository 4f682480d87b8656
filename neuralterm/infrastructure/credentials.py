"""Keeps the keys of logins: in the system's keyring where there is one, else in a file of the user's alone.

The file says for which service there is a login, and where its key is: a key is given for that service only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from neuralterm.domain.exceptions import ConfigurationError
from neuralterm.domain.text import one_line
from neuralterm.setting_files import OWN_FOLDER, make_private_folder

_AGAIN = "`neuralterm login` makes a new one, or set OPENROUTER_API_KEY"


class Keyring(Protocol):
    """Keeps keys by service. Each method raises KeyringError where that can't be done."""

    def get(self, service: str) -> str | None:
        """Return the key."""

    def set(self, service: str, key: str) -> None:
        """Keep a key in the place of the one before."""

    def delete(self, service: str) -> None:
        """Forget a key; nothing where there is none."""


class KeyringError(Exception):
    """The system's keyring is not there, or refuses."""


class Credentials:
    """The logins. `keyring` makes the keyring when it is needed, and raises KeyringError where there is none.

    Methods raise ConfigurationError for a file that can't be read or written.
    """

    def __init__(self, path: Path, keyring: Callable[[], Keyring]) -> None:
        self.path = path
        self._keyring = keyring

    def place_of(self, service: str) -> str | None:
        """Say in words where the key for a service is; None where there was no login for it."""
        entry = self._logins().get(service)
        if entry is None:
            return None
        return "the system's keyring" if "key" not in entry else str(self.path)

    def key_for(self, service: str) -> str | None:
        """Return the key for a service; None where there was no login for it."""
        entry = self._logins().get(service)
        if entry is None:
            return None
        if "key" in entry:
            return str(entry["key"])
        try:
            key = self._keyring().get(service)
        except KeyringError as error:
            raise ConfigurationError(f"the system's keyring can't be read: {error}", "KEYRING", hint=_AGAIN) from error
        if key is None:
            raise ConfigurationError(
                "the key of the login is no longer in the system's keyring", "KEYRING", hint=_AGAIN
            )
        return key

    def keep(self, service: str, key: str) -> KeyringError | None:
        """Keep the key of a login in the place of the one before; return why it is not in the keyring, if it is not."""
        logins, failure = self._logins(), None
        try:
            self._keyring().set(service, key)
            logins[service] = {"keyring": True}
        except KeyringError as error:
            failure = error
            logins[service] = {"key": key}
        self._write(logins)
        return failure

    def forget(self, service: str) -> bool:
        """Forget the key of a login; False where there was none. One that is in the keyring is forgotten only with it."""
        logins = self._logins()
        entry = logins.pop(service, None)
        if entry is None:
            return False
        if "key" not in entry:
            try:
                self._keyring().delete(service)
            except KeyringError as error:
                message = f"the key is still in the system's keyring, which can't be reached: {error}"
                raise ConfigurationError(message, "KEYRING", hint="remove it with the keyring's own program") from error
        if logins:
            self._write(logins)
        else:
            with suppress(FileNotFoundError):
                self._do("removed", self.path.unlink)
        return True

    def _logins(self) -> dict[str, dict[str, Any]]:
        try:
            with open(self.path, "rb") as file:
                if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                    with suppress(OSError):
                        os.fchmod(file.fileno(), 0o600)
                document = json.loads(file.read())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unusable("read", error.strerror) from error
        except (ValueError, RecursionError):  # whose words may quote what is in the file
            document = None
        logins = document.get("logins") if isinstance(document, dict) else None
        if not isinstance(logins, dict) or not all(map(_is_login, logins.values())):
            raise self._unusable("read", "it is damaged") from None
        return logins

    def _write(self, logins: dict[str, dict[str, Any]]) -> None:
        """Put a new file in the place of the old one, in one step."""
        folder = self.path.parent
        fresh = folder / f".{self.path.name}.{os.urandom(8).hex()}"

        def write() -> None:
            make_private_folder(str(folder))
            if os.name == "posix" and folder.name == OWN_FOLDER:
                folder.chmod(0o700)
            try:
                with open(fresh, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                    json.dump({"version": 1, "logins": logins}, file, indent=2)
                    file.write("\n")
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(fresh, self.path)
            finally:
                with suppress(OSError):
                    fresh.unlink()

        self._do("written", write)

    def _do(self, verb: str, action: Callable[[], object]) -> None:
        try:
            action()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unusable(verb, error.strerror) from error

    def _unusable(self, verb: str, reason: str | None) -> ConfigurationError:
        return ConfigurationError(
            f"the file {one_line(str(self.path))} can't be {verb}: {(reason or 'unknown reason').lower()}",
            "CREDENTIALS",
            hint="set OPENROUTER_API_KEY, or remove the file and run `neuralterm login`",
        )


def _is_login(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("key", ""), str)


def no_keyring() -> Keyring:
    """Stand for a keyring where none is wanted."""
    raise KeyringError("none is used here")

"""The system's keyring, by the library `keyring`: macOS Keychain, Windows Credential Locker, Secret Service, KWallet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from neuralterm.domain.text import shortened
from neuralterm.infrastructure.credentials import KeyringError

_NAME = "neuralterm"
_LONGEST_REASON = 200


class SystemKeyring:
    """Keys by service, under the name of this program. Raises KeyringError where there is no keyring of the system."""

    def __init__(self) -> None:
        try:
            import keyring
            from keyring.errors import PasswordDeleteError
        except ImportError as error:
            raise KeyringError("the package keyring is not installed (pip install 'neuralterm[keyring]')") from error
        self._missing = PasswordDeleteError
        with _translated():
            self._backend = keyring.get_keyring()
            # Below 1 are backends that keep nothing, or keep it for everybody to read.
            if self._backend.priority < 1:
                raise KeyringError("this system has none")

    def get(self, service: str) -> str | None:
        """Return the key."""
        with _translated():
            found = self._backend.get_password(_NAME, service)
            return found if isinstance(found, str) else None

    def set(self, service: str, key: str) -> None:
        """Keep a key in the place of the one before."""
        with _translated():
            self._backend.set_password(_NAME, service, key)

    def delete(self, service: str) -> None:
        """Forget a key; nothing where there is none."""
        with _translated():
            try:
                self._backend.delete_password(_NAME, service)
            except self._missing:
                return


@contextmanager
def _translated() -> Iterator[None]:
    """Turn whatever a backend raises, each with errors of its own, into KeyringError."""
    try:
        yield
    except KeyringError:
        raise
    except Exception as error:
        raise KeyringError(shortened(str(error), _LONGEST_REASON) or type(error).__name__) from None

"""Keys of logins, in files of the user's alone and in keyrings."""

import json
import os
import stat
import sys
from types import ModuleType, SimpleNamespace

import pytest

from neuralterm.domain.exceptions import ConfigurationError
from neuralterm.infrastructure.credentials import Credentials, KeyringError, no_keyring
from neuralterm.infrastructure.system_keyring import SystemKeyring

SERVICE, OTHER = "https://openrouter.ai/api/v1", "https://elsewhere.example/api/v1"
KEY = "sk-or-v1-secret-of-the-login"


class FakeKeyring:
    """A keyring; raises `failure` when it has one."""

    def __init__(self):
        self.keys, self.failure = {}, None

    def _check(self):
        if self.failure:
            raise KeyringError(self.failure)

    def get(self, service):
        self._check()
        return self.keys.get(service)

    def set(self, service, key):
        self._check()
        self.keys[service] = key

    def delete(self, service):
        self._check()
        self.keys.pop(service, None)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config" / "neuralterm" / "credentials.json"


@pytest.fixture
def keyring():
    return FakeKeyring()


class TestFile:
    @pytest.fixture
    def credentials(self, path):
        return Credentials(path, no_keyring)

    def test_a_key_is_kept_for_its_service_only(self, credentials, path):
        assert str(credentials.keep(SERVICE, KEY)) == "none is used here"
        assert (credentials.key_for(SERVICE), credentials.place_of(SERVICE)) == (KEY, str(path))
        assert (credentials.key_for(OTHER), credentials.place_of(OTHER)) == (None, None)
        assert credentials.key_for(f"{SERVICE}/") is None

    def test_only_the_user_can_read_it(self, credentials, path):
        path.parent.mkdir(mode=0o755, parents=True)
        previous = os.umask(0)
        try:
            credentials.keep(SERVICE, KEY)
        finally:
            os.umask(previous)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert os.listdir(path.parent) == ["credentials.json"]

    def test_folders_that_are_made_are_private_and_those_of_others_stay_as_they_are(self, tmp_path):
        shared = tmp_path / "shared"
        shared.mkdir(mode=0o755)
        Credentials(shared / "a" / "b" / "credentials.json", no_keyring).keep(SERVICE, KEY)
        Credentials(shared / "credentials.json", no_keyring).keep(SERVICE, KEY)
        modes = [stat.S_IMODE(each.stat().st_mode) for each in (shared, shared / "a", shared / "a" / "b")]
        assert modes == [0o755, 0o700, 0o700]

    def test_one_that_others_may_read_is_closed_to_them(self, credentials, path):
        credentials.keep(SERVICE, KEY)
        path.chmod(0o644)
        assert credentials.key_for(SERVICE) == KEY
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_logins_at_several_services(self, credentials, path):
        credentials.keep(SERVICE, "first")
        credentials.keep(OTHER, "other")
        credentials.keep(SERVICE, KEY)
        assert [credentials.key_for(each) for each in (SERVICE, OTHER)] == [KEY, "other"]
        assert credentials.forget(SERVICE)
        assert [credentials.key_for(each) for each in (SERVICE, OTHER)] == [None, "other"]
        assert credentials.forget(OTHER)
        assert not path.exists()
        assert not credentials.forget(OTHER)

    def test_a_folder_in_its_place(self, credentials, path):
        path.mkdir(parents=True)
        with pytest.raises(ConfigurationError, match="can't be read: is a directory"):
            credentials.keep(SERVICE, KEY)

    def test_a_file_in_the_place_of_the_folder(self, credentials, path):
        path.parent.parent.mkdir()
        path.parent.touch()
        with pytest.raises(ConfigurationError, match=f"the file {path} can't be"):
            credentials.keep(SERVICE, KEY)

    @pytest.mark.parametrize(
        "content",
        [
            *(b"", b"{", b"[]", b'{"logins": []}', b'{"logins": {"s": "sk-or-v1-x"}}', b"\xff", b"[" * 100_000),
            json.dumps({"logins": {SERVICE: {"key": 5}}}).encode(),
        ],
    )
    def test_a_damaged_file_is_a_sentence_that_quotes_nothing(self, credentials, path, content):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        with pytest.raises(ConfigurationError) as refusal:
            credentials.key_for(SERVICE)
        assert refusal.value.message == f"the file {path} can't be read: it is damaged"
        assert refusal.value.__suppress_context__


class TestKeyring:
    @pytest.fixture
    def credentials(self, path, keyring):
        return Credentials(path, lambda: keyring)

    def test_the_file_says_only_that_the_key_is_there(self, credentials, path, keyring):
        assert credentials.keep(SERVICE, KEY) is None
        assert keyring.keys == {SERVICE: KEY}
        assert KEY not in path.read_text()
        assert json.loads(path.read_text()) == {"version": 1, "logins": {SERVICE: {"keyring": True}}}
        assert (credentials.key_for(SERVICE), credentials.place_of(SERVICE)) == (KEY, "the system's keyring")

    def test_one_that_fails_has_the_file_take_its_place(self, credentials, path, keyring):
        keyring.failure = "locked"
        assert str(credentials.keep(SERVICE, KEY)) == "locked"
        assert (credentials.key_for(SERVICE), credentials.place_of(SERVICE)) == (KEY, str(path))

    def test_one_that_fails_later_is_a_sentence(self, credentials, keyring):
        credentials.keep(SERVICE, KEY)
        keyring.failure = "locked"
        with pytest.raises(ConfigurationError, match="the system's keyring can't be read: locked"):
            credentials.key_for(SERVICE)
        with pytest.raises(ConfigurationError, match="still in the system's keyring"):
            credentials.forget(SERVICE)
        keyring.failure = None
        assert credentials.key_for(SERVICE) == KEY

    def test_one_that_has_lost_the_key(self, credentials, keyring):
        credentials.keep(SERVICE, KEY)
        keyring.keys.clear()
        with pytest.raises(ConfigurationError, match="no longer in the system's keyring"):
            credentials.key_for(SERVICE)
        assert credentials.forget(SERVICE)
        assert credentials.key_for(SERVICE) is None

    def test_logging_out_removes_both(self, credentials, path, keyring):
        credentials.keep(SERVICE, KEY)
        assert credentials.forget(SERVICE)
        assert (keyring.keys, path.exists()) == ({}, False)

    def test_it_is_not_asked_about_a_service_without_a_login(self, path):
        def none_wanted():
            raise AssertionError("it was asked")

        assert Credentials(path, none_wanted).key_for(SERVICE) is None


class PasswordDeleteError(Exception):
    pass


class Backend:
    """A backend as the library has them."""

    def __init__(self, priority=5.0, error=None):
        self.priority, self.error, self.kept = priority, error, {}

    def _check(self):
        if self.error is not None:
            raise self.error

    def get_password(self, name, service):
        self._check()
        return self.kept.get((name, service))

    def set_password(self, name, service, key):
        self._check()
        self.kept[name, service] = key

    def delete_password(self, name, service):
        self._check()
        if (name, service) not in self.kept:
            raise PasswordDeleteError("not found")
        del self.kept[name, service]


@pytest.fixture
def library(monkeypatch):
    """Put a library in the place of `keyring`, with this backend."""

    def library(backend):
        module, errors = ModuleType("keyring"), ModuleType("keyring.errors")
        module.get_keyring, errors.PasswordDeleteError = lambda: backend, PasswordDeleteError
        monkeypatch.setitem(sys.modules, "keyring", module)
        monkeypatch.setitem(sys.modules, "keyring.errors", errors)
        return SystemKeyring()

    return library


class TestSystemKeyring:
    def test_keys_are_kept_under_our_name(self, library):
        backend = Backend()
        keyring = library(backend)
        keyring.set(SERVICE, KEY)
        assert backend.kept == {("neuralterm", SERVICE): KEY}
        assert keyring.get(SERVICE) == KEY
        keyring.delete(SERVICE)
        keyring.delete(SERVICE)
        assert keyring.get(SERVICE) is None

    @pytest.mark.parametrize("priority", [0, 0.5])
    def test_what_keeps_nothing_or_shows_it_to_all_is_none(self, library, priority):
        with pytest.raises(KeyringError, match="this system has none"):
            library(Backend(priority))

    def test_whatever_a_backend_raises_is_one_error(self, library):
        keyring = library(Backend(error=RuntimeError("no\nbus " + "x" * 1000)))
        for action in (
            lambda: keyring.get(SERVICE),
            lambda: keyring.set(SERVICE, KEY),
            lambda: keyring.delete(SERVICE),
        ):
            with pytest.raises(KeyringError, match=r"^no bus x+") as failure:
                action()
            assert len(str(failure.value)) <= 200

    def test_a_library_that_breaks_as_it_looks_for_backends(self, monkeypatch):
        module, errors = ModuleType("keyring"), ModuleType("keyring.errors")
        module.get_keyring = SimpleNamespace  # an object without a priority
        errors.PasswordDeleteError = PasswordDeleteError
        monkeypatch.setitem(sys.modules, "keyring", module)
        monkeypatch.setitem(sys.modules, "keyring.errors", errors)
        with pytest.raises(KeyringError):
            SystemKeyring()

    def test_without_the_library(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "keyring", None)
        with pytest.raises(KeyringError, match="not installed"):
            SystemKeyring()

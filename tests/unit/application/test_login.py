from urllib.parse import parse_qs, urlsplit

import pytest

from neuralterm.application.login import Login, challenge_of, code_in, login_page
from neuralterm.domain.exceptions import ConfigurationError

PAGE = "https://service.example/auth"


class Listener:
    url = "http://localhost:3000/secret"

    def __init__(self, answer):
        self._answer = answer
        self.is_closed = False

    async def answer(self, seconds):
        if self._answer is None:
            raise TimeoutError
        return self._answer

    def close(self):
        self.is_closed = True


class World:
    """Everything round a login, with what it was asked."""

    def __init__(self, answer=None, *, has_browser=True):
        self.listener = Listener(answer)
        self.listened, self.opened, self.exchanged, self.notes = [], [], [], []
        self.login = Login(PAGE, self.listen, self.open_browser, self.exchange, self.notes.append)
        self._has_browser = has_browser

    def listen(self, port, path):
        self.listened.append((port, path))
        return self.listener

    def open_browser(self, url):
        self.opened.append(url)
        return self._has_browser

    async def exchange(self, code, verifier):
        self.exchanged.append((code, verifier))
        return "sk-key"


def asked(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_the_challenge_is_that_of_the_standard():
    # RFC 7636, appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.anyio
async def test_the_browser_brings_the_code_and_the_verifier_goes_with_it_to_the_service_only():
    world = World({"code": "the-code"})
    assert await world.login.code_by_browser(None, 300) == "the-code"
    assert await world.login.key_for("the-code") == "sk-key"
    (page,), ((code, verifier),) = world.opened, world.exchanged
    assert asked(page) == {
        "callback_url": Listener.url, "code_challenge": challenge_of(verifier), "code_challenge_method": "S256",
    }  # fmt: skip
    assert page.startswith(f"{PAGE}?")
    assert 43 <= len(verifier) <= 128
    assert code == "the-code"
    assert world.listener.is_closed
    assert verifier not in " ".join([*world.notes, page])
    assert page in world.notes[0]


def test_no_two_logins_are_alike():
    assert World().login.page_for() != World().login.page_for()


@pytest.mark.anyio
async def test_the_path_for_the_answer_can_t_be_guessed():
    first, second = World({"code": "c"}), World({"code": "c"})
    await first.login.code_by_browser(4000, 1)
    await second.login.code_by_browser(None, 1)
    ((port, path), (_, other)) = (*first.listened, *second.listened)
    assert (port, path[0]) == (4000, "/")
    assert len(path) > 20
    assert path != other


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "nobody has agreed in the browser within 5 seconds"),
        ({"error": "access_denied"}, "did not agree to the login: access_denied"),
        ({"error": "x", "error_description": "not you"}, "did not agree to the login: not you"),
        ({}, "no code came back"),
        ({"code": "a b"}, "that is no code"),
    ],
)
async def test_what_else_can_come_of_it_is_a_sentence(answer, words):
    world = World(answer)
    with pytest.raises(ConfigurationError, match=words):
        await world.login.code_by_browser(None, 5)
    assert world.listener.is_closed


@pytest.mark.anyio
async def test_without_a_browser_nothing_is_waited_for():
    world = World(has_browser=False)
    assert await world.login.code_by_browser(None, 300) is None
    assert world.listener.is_closed
    assert world.notes == []


def test_a_page_without_a_callback_shows_the_code():
    found = asked(World().login.page_for())
    assert found["key_label"] == "neuralterm"
    assert "callback_url" not in found
    assert found["code_challenge_method"] == "S256"


@pytest.mark.parametrize(
    "pasted",
    ["abc-123", "  abc-123\n", "http://localhost:3000/x?code=abc-123", "http://localhost:3000/?a=b&code=abc-123#c"],
)
def test_codes_are_pasted_alone_or_in_an_address(pasted):
    assert code_in(pasted) == "abc-123"


@pytest.mark.parametrize(
    "pasted", ["", "\n", "two words", "c\x1bode", "http://localhost:3000/", "http://[", "x" * 2000, "c\u00f6de"]
)
def test_what_can_be_no_code_is_refused_and_not_quoted(pasted):
    with pytest.raises(ConfigurationError) as refusal:
        code_in(pasted)
    assert refusal.value.message == "that is no code for a key"


def test_the_page_is_found_beside_the_base_url():
    assert login_page("https://openrouter.ai/api/v1") == "https://openrouter.ai/auth"
    assert login_page("http://127.0.0.1:8765/api/v1/") == "http://127.0.0.1:8765/auth"


@pytest.mark.parametrize("url", ["https://user:pass@example.com/v1", "http://localhost:11434/v1", "https://a/api/v1/x"])
def test_other_servers_have_no_login(url):
    with pytest.raises(ConfigurationError, match="has no login") as refusal:
        login_page(url)
    assert "pass" not in refusal.value.message.replace("password", "")

"""The login of the sandbox: as the service has it, for a user who always agrees."""

import httpx
import pytest

from neuralterm.application.login import challenge_of
from neuralterm.sandbox import running_sandbox
from neuralterm.sandbox.server import SandboxServer

VERIFIER = "v" * 50
BACK = "http://localhost:3000/back"


class Browser:
    def __init__(self, url, client):
        self.origin, self.client = url.removesuffix("/api/v1"), client

    def page(self, **asked):
        usual = {"code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256"}
        return self.client.get(f"{self.origin}/auth", params={**usual, **asked})

    def exchange(self, code, verifier=VERIFIER, method="S256"):
        body = {"code": code, "code_verifier": verifier, "code_challenge_method": method}
        return self.client.post(f"{self.origin}/api/v1/auth/keys", json=body)


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def browser(now):
    server = SandboxServer(clock=lambda: now[0])
    with running_sandbox(server) as url, httpx.Client(timeout=20, trust_env=False) as client:
        yield Browser(url, client)


def test_the_browser_is_sent_back_with_a_code_for_a_key(browser):
    reply = browser.page(callback_url=f"{BACK}?state=1")
    assert reply.status_code == 302
    target = httpx.URL(reply.headers["location"])
    assert str(target).startswith(f"{BACK}?state=1&code=")
    exchanged = browser.exchange(target.params["code"])
    assert exchanged.status_code == 200
    assert exchanged.json()["key"].startswith("sk-or-sandbox-")
    assert set(exchanged.json()) == {"key", "user_id"}


def test_without_a_callback_the_code_is_shown(browser):
    reply = browser.page(key_label="neuralterm")
    assert browser.exchange(reply.text.strip()).status_code == 200


def test_a_code_is_for_one_exchange_within_ten_minutes_by_who_knows_the_verifier(browser, now):
    code = browser.page().text.strip()
    assert browser.exchange(code).status_code == 200
    assert browser.exchange(code).status_code == 403
    assert browser.exchange(browser.page().text.strip(), verifier="w" * 50).status_code == 403
    late = browser.page().text.strip()
    now[0] += 601
    assert browser.exchange(late).status_code == 403
    assert browser.exchange("made-up").status_code == 403


def test_what_is_asked_wrongly(browser):
    assert browser.page(code_challenge="").status_code == 400
    assert browser.page(code_challenge_method="plain").status_code == 400
    assert browser.exchange(browser.page().text.strip(), method="plain").status_code == 400
    assert browser.client.post(f"{browser.origin}/api/v1/auth/keys", content=b"[]").status_code == 400
    assert browser.client.get(f"{browser.origin}/api/v1/auth/keys").status_code == 404


@pytest.mark.parametrize(
    "callback", ["https://elsewhere.example/", "http://elsewhere.example/", "javascript:x", "http://["]
)
def test_browsers_are_sent_to_this_machine_only(browser, callback):
    assert browser.page(callback_url=callback).status_code == 400

import base64
from dataclasses import replace
from urllib.parse import quote
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.journal import MemoryJournal, Unsaved
from neuralterm.application.own_patterns import LATE_MARK, OWN_MARK, OwnPatterns, checked_pattern
from neuralterm.application.records import Call
from neuralterm.application.redaction import KEY_MARK, RedactingConversations, RedactingJournal, Redaction
from neuralterm.application.secret_patterns import SecretPatterns
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.models import Conversation, Cost, Message, MessageRole, MessageStatus
from tests.fakes.storage import InMemoryConversationRepository

KEY = "sk-or-v1-0123456789abcdef+/?"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{}\n-----END RSA PRIVATE KEY-----".format(
    "\n".join(["MIIEpAIBAAKCAQEA3Tz2mr7SZiAMfQyuvBjM9OiZ1BjP5CE"] * 3)
)
# By kind: a text with a secret, and what is left of it.
SECRETS = {
    "openrouter key": ("sk-or-v1-" + "ab01" * 16, "[]"),
    "anthropic key": ("sk-ant-api03-" + "aB3_" * 20, "[]"),
    "openai key": ("sk-proj-" + "aB3-" * 20, "[]"),
    "github token": ("ghp_" + "aB3x" * 9, "[]"),
    "gitlab token": ("glpat-" + "aB3x" * 5, "[]"),
    "aws key": ("AKIAIOSFODNN7EXAMPLE", "[]"),
    "google key": ("AIza" + "aB3x_" * 7, "[]"),
    "slack token": ("xoxb-123456789012-abcdefABCDEF", "[]"),
    "stripe key": ("sk_live_" + "aB3x" * 6, "[]"),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4", "[]"),
    "private key": (PEM, "[]"),
    "authorization": ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer []"),
    "bearer token": ("bearer abcdefghijklmnopqrst0123", "bearer []"),
    "url password": ("postgres://bob:hunter2@db.example/x", "postgres://bob:[]@db.example/x"),
}
MORE = [
    ("aws key", 'aws_secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"', 'aws_secret_access_key = "[]"'),
    ("github token", "github_pat_11ABCDEFG0" + "a1" * 20, "[]"),
    ("slack token", "https://hooks.slack.com/services/T000/B000/XXXXXXXXXXXX", "https://hooks.slack.com/services/[]"),
    ("private key", PEM[:190], "[]"),
]
HARMLESS = [
    "the bearer of responsibilities, and authorization: everything",
    "task-force sk-learn risk-averse-investment-strategies",
    "https://example.com/a:b@c https://user@example.com http://example.com:8080/",
    "ghp_short AKIA eyJ.eyJ. -----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----",
]


@pytest.fixture(scope="module")
def known():
    return SecretPatterns(well_known=True)


def redaction(patterns=None, keys=(KEY,)):
    return Redaction(lambda: keys, patterns)


class TestKey:
    @pytest.mark.parametrize("offset", [0, 1, 2, 7])
    def test_it_goes_in_every_spelling(self, offset):
        filler = "Bearer "[:offset]
        whole = base64.b64encode((filler + KEY + " and more").encode()).decode()
        for text in (KEY, quote(KEY, safe=""), whole, whole.replace("+", "-").replace("/", "_")):
            left = redaction().redact(f"a {text} b")
            assert KEY_MARK in left
            assert len(left.replace(KEY_MARK, "")) <= len(f"a {text} b") - len(KEY)
        assert redaction().redact("nothing here") == "nothing here"

    def test_what_is_too_short_to_be_one_stays(self):
        assert redaction(keys=("short", "")).redact("in short: it stays") == "in short: it stays"

    @given(st.data())
    def test_a_stream_never_shows_any_of_it(self, data):
        parts = st.sampled_from([KEY, KEY[:9], KEY[5:], "s", "sk", " ", "text ", quote(KEY, safe="")])
        text = "".join(data.draw(st.lists(parts, max_size=8)))
        stored, held = in_pieces(data, redaction(), text)
        assert stored + redaction().redact(held) == redaction().redact(text)
        assert len(held) < 100

    def test_text_that_can_begin_no_key_does_not_wait(self):
        assert redaction().split("some text, ") == ("some text, ", "")
        assert redaction().split("some s") == ("some ", "s")
        assert redaction().split(f"{KEY} s!") == (f"{KEY_MARK} s!", "")


class TestWellKnownSecrets:
    @pytest.mark.parametrize(("kind", "text", "left"), [(kind, *texts) for kind, texts in SECRETS.items()] + MORE)
    def test_they_are_named_in_their_place(self, known, kind, text, left):
        for before, after in (("", ""), ("export X=" if left == "[]" else "", "\n"), ("it is ", " indeed"), ("“", "”")):
            expected = f"{before}{left.replace('[]', f'[redacted: {kind}]')}{after}"
            assert known.redact(f"{before}{text}{after}") == expected

    @pytest.mark.parametrize("text", HARMLESS)
    def test_what_only_looks_alike_stays(self, known, text):
        assert known.redact(text) == text

    @given(st.text())
    def test_redacting_again_changes_nothing(self, known, text):
        once = known.redact(text)
        assert known.redact(once) == once

    @given(st.data())
    def test_a_stream_is_stored_as_its_whole_would_be(self, known, data):
        texts = [text for text, _ in SECRETS.values()]
        parts = st.sampled_from(
            [
                *texts,
                *(text[:12] for text in texts),
                *(text[9:] for text in texts),
                " ",
                "\n",
                "word ",
                "日本",
                ": ",
                "=",
            ]
        )
        text = "".join(data.draw(st.lists(parts, max_size=8)))
        both = redaction(known)
        stored, held = in_pieces(data, both, text)
        assert stored + both.redact(held) == both.redact(text)

    def test_scripts_without_spaces_do_not_wait(self, known):
        assert known.held_from("日本語の文章") == 6
        assert known.held_from("a line\n") == 7
        assert known.held_from("the last word") == 9

    def test_what_is_longer_than_any_secret_does_not_wait_for_ever(self, known):
        assert known.held_from("x" * 10_000) == 10_000
        assert known.held_from("-----BEGIN RSA PRIVATE KEY-----\n" + "A" * 20_000 + " ") == 20_033

    @pytest.mark.parametrize(
        "text", ["authorization", "-----BEGIN PRIVATE KEY-----", "://a:", "sk-", "eyJaaaaaaaaa.", "a"]
    )
    def test_no_text_takes_long(self, known, text):
        # Hours, if any of the patterns were quadratic.
        known.redact(text * (400_000 // len(text)))


class TestOwnPatterns:
    @pytest.mark.parametrize(
        "pattern",
        [
            "ACME-[0-9]{8}",
            r"(?i)password\s{0,3}[:=]\s{0,3}\S+",
            "(?:[0-9a-f]{2}:){15}[0-9a-f]{2}",
            "(?:ab)+x",
            "(a|b)+c",
        ],
    )
    def test_tame_ones_are_taken(self, pattern):
        assert checked_pattern(pattern).pattern == pattern

    @pytest.mark.parametrize(
        "pattern",
        [
            *("(a+)+b", "(a|ab)*c", r"(a)\1", "a.*b.*c", "(?:a?){30}b", "((a{0,9}){0,9}){0,9}c", r"(?=(a+)+)b"),
            *("(?P<x>a)(?P=x)", "x*", "", "(?s)a.b", "(?m)^a", "[", "a{99999999999}", "(" * 200 + ")" * 200, "a" * 501),
        ],
    )
    def test_others_are_refused(self, pattern):
        with pytest.raises(ValidationError):
            checked_pattern(pattern)

    def test_matches_are_blotted_out_line_by_line(self):
        own = OwnPatterns([checked_pattern("ACME-[0-9]+"), checked_pattern("x[^y]+y")])
        assert own.redact("id ACME-123, x..\n..y xzy") == f"id {OWN_MARK}, x..\n..y {OWN_MARK}"

    @given(st.integers(0, 700), st.integers(1, 700))
    def test_in_a_long_line_too(self, before, digits):
        own = OwnPatterns([checked_pattern("ACME-[0-9]+")])
        text = f"{'-' * before} ACME-{'7' * digits} {'-' * before}"
        assert own.redact(text) == f"{'-' * before} {OWN_MARK} {'-' * before}"

    def test_what_takes_too_long_is_blotted_out_as_a_whole(self):
        ticks = iter(range(100))
        own = OwnPatterns([checked_pattern("ACME")], clock=lambda: next(ticks) * 0.4)
        assert own.redact("one\ntwo ACME\nthree\n") == f"one\ntwo {OWN_MARK}{LATE_MARK}"

    def test_in_a_stream_the_last_line_waits(self):
        both = redaction(SecretPatterns(well_known=False, own=OwnPatterns([checked_pattern("AC ME")])))
        assert both.split("one\nan AC") == ("one\n", "an AC")
        assert both.split("one\nan AC ME\n") == (f"one\nan {OWN_MARK}\n", "")


def in_pieces(data, redaction, text):
    """What is stored, and what still waits, when the text comes in pieces."""
    stored, held = "", ""
    while text:
        size = data.draw(st.integers(1, len(text)))
        safe, held = redaction.split(held + text[:size])
        stored, text = stored + safe, text[size:]
    return stored, held


class TestRepository:
    @pytest.fixture
    def kept(self):
        return InMemoryConversationRepository()

    @pytest.fixture
    def repository(self, kept, known):
        return RedactingConversations(kept, redaction(known))

    def test_everything_that_is_said_is_redacted_and_the_senders_copy_is_not(self, repository, kept):
        thread = Conversation(title=f"about {KEY}", tags=(KEY, "tag"), model_id=KEY)
        repository.save(thread)
        records = [{"kind": "image", "name": f"{KEY}.png", "url": "https://a:secret@b.example/", "size": None}]
        message = Message(
            conversation_id=thread.id,
            content=f"{KEY} and {SECRETS['github token'][0]}",
            reasoning=KEY,
            metadata={"attachments": records},
        )
        repository.add_message(message)

        assert KEY in message.content
        assert records[0]["name"] == f"{KEY}.png"
        found = kept.get_by_id(thread.id)
        assert (found.title, found.tags, found.model_id) == (f"about {KEY_MARK}", (KEY_MARK, "tag"), KEY_MARK)
        (stored,) = kept.get_messages(thread.id)
        assert (stored.content, stored.reasoning) == (f"{KEY_MARK} and [redacted: github token]", KEY_MARK)
        assert stored.metadata["attachments"][0] == {
            **records[0],
            "name": f"{KEY_MARK}.png",
            "url": "https://a:[redacted: url password]@b.example/",
        }
        assert thread.title == f"about {KEY}"

    def test_a_title_that_was_cut_shows_no_beginning_of_a_key(self, repository, kept):
        thread = Conversation(title=f"OPENROUTER_API_KEY={KEY[:20]}…")
        repository.save(thread)
        assert KEY[:9] not in kept.get_by_id(thread.id).title

    def test_an_answer_is_journalled_without_what_may_become_a_secret(self, repository, kept):
        thread = Conversation()
        repository.save(thread)
        answer = Message(conversation_id=thread.id, role=MessageRole.ASSISTANT, status=MessageStatus.PENDING)
        repository.add_message(answer)
        journal, journalled = repository.journal, []
        journal.open(answer.id, Call(f"model/{KEY}", Cost.unsettled()), replace(thread, title=f"about {KEY}"))
        for piece in ("the ", KEY[:12], KEY[12:], " and gh", "p_" + "aB3x" * 9, " end"):
            journal.append(answer.id, piece)
            journalled.append(kept.get_messages(thread.id)[0].content)
        assert journalled == [
            "the ",
            "the ",
            "the ",
            f"the {KEY_MARK} and ",
            f"the {KEY_MARK} and ",
            f"the {KEY_MARK} and [redacted: github token] ",
        ]
        entry = kept.journal.read(answer.id)
        assert (entry.call.requested_model, entry.conversation.title) == (f"model/{KEY_MARK}", f"about {KEY_MARK}")
        answer.content, answer.status = f"the {KEY} end", MessageStatus.COMPLETE
        journal.keep(answer.id, Unsaved(Call(f"model/{KEY}", Cost.unsettled()), [answer]))
        entry = kept.journal.read(answer.id)
        assert entry.text == f"the {KEY_MARK} and [redacted: github token] end"
        assert KEY not in repr(entry)
        repository.finish_message(answer)
        assert kept.get_messages(thread.id)[0].content == f"the {KEY_MARK} end"

    def test_text_that_could_not_be_journalled_comes_once_when_it_is_given_again(self, known):
        class Failing(MemoryJournal):
            fails = True

            def append(self, *text):
                if self.fails:
                    raise OSError("full")
                super().append(*text)

        kept, answer_id = Failing(), uuid4()
        journal = RedactingJournal(kept, redaction(known))
        journal.open(answer_id, Call("m", Cost.unsettled()), Conversation())
        with pytest.raises(OSError, match="full"):
            journal.append(answer_id, "one two", "why")
        kept.fails = False
        journal.append(answer_id, "one two three ", "why not ")
        assert (kept.read(answer_id).text, kept.read(answer_id).reasoning) == ("one two three ", "why not ")

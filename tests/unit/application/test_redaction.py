import base64
from urllib.parse import quote
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.journal import MemoryJournal, Unsaved
from neuralterm.application.own_patterns import LATE_MARK, OWN_MARK, OwnPatterns, checked_pattern
from neuralterm.application.records import Call
from neuralterm.application.redacting import RedactingConversations, RedactingJournal
from neuralterm.application.redaction import CONTEXT, KEY_MARK, Redaction
from neuralterm.application.secret_patterns import SecretPatterns
from neuralterm.domain.exceptions import StorageError, ValidationError
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
        assert unmarked(stored + held) == unmarked(redaction().redact(text))
        assert len(held) < 100

    def test_text_that_can_begin_no_key_does_not_wait(self):
        assert redaction().split("some text, ") == ("some text, ", "")
        assert redaction().split("this is") == ("this is", "")
        assert redaction().split(f"some {KEY[:8]}") == ("some ", KEY[:8])
        assert redaction().split(f"{KEY} s!") == (f"{KEY_MARK} s!", "")

    def test_a_key_whose_beginning_did_not_wait_is_blotted_out_from_there_on(self):
        assert redaction().split(f"{KEY[4:]} and", KEY[:4]) == (f"{KEY_MARK} and", "")
        assert redaction().split(KEY[4:12], KEY[:4]) == ("", KEY[4:12])


def unmarked(text):
    """The text without the harmless beginnings of a key that stand before a mark."""
    beginnings = [form[:length] for form in (KEY, quote(KEY, safe="")) for length in range(1, CONTEXT + 1)]
    before = None
    while text != before:
        before = text
        for beginning in beginnings:
            text = text.replace(beginning + KEY_MARK, KEY_MARK)
    return text


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
        assert stored + held == both.redact(text)

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
    journal, message_id = RedactingJournal(MemoryJournal(), redaction), uuid4()
    journal.open(message_id, Call("m", Cost.unsettled()), Conversation())
    while text:
        size = data.draw(st.integers(1, len(text)))
        journal.append(message_id, text[:size])
        text = text[size:]
    stored = journal.read(message_id).text
    journal.keep(message_id, Unsaved(Call("m", Cost.unsettled()), ()))
    return stored, journal.read(message_id).text[len(stored) :]


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

    def test_the_end_of_an_answer_is_stored_whole(self, repository, kept):
        thread = Conversation()
        repository.save(thread)
        answer = Message(conversation_id=thread.id, role=MessageRole.ASSISTANT, status=MessageStatus.PENDING)
        repository.add_message(answer)
        answer.content, answer.status = f"the {KEY} end", MessageStatus.COMPLETE
        repository.finish_message(answer)
        assert kept.get_messages(thread.id)[0].content == f"the {KEY_MARK} end"


class Failing(MemoryJournal):
    fails = False

    def append(self, message_id, text="", reasoning=""):
        if self.fails:
            raise StorageError("full")
        super().append(message_id, text, reasoning)


class TestJournal:
    @pytest.fixture
    def kept(self):
        return Failing()

    @pytest.fixture
    def journal(self, kept, known):
        return RedactingJournal(kept, redaction(known))

    @pytest.fixture
    def answer(self, journal):
        thread = Conversation(title=f"about {KEY}", tags=(KEY,))
        answer = Message(conversation_id=thread.id, role=MessageRole.ASSISTANT, status=MessageStatus.PENDING)
        call = Call(KEY, Cost.unsettled(), run_id=KEY, tags=("ci", KEY))
        journal.open(answer.id, call, thread)
        return answer

    def test_the_opening_holds_no_key(self, journal, answer):
        entry = journal.read(answer.id)
        assert (entry.call.requested_model, entry.call.run_id, entry.call.tags) == (
            KEY_MARK,
            KEY_MARK,
            ("ci", KEY_MARK),
        )
        assert (entry.conversation.title, entry.conversation.tags) == (f"about {KEY_MARK}", (KEY_MARK,))
        journal.note_generation(answer.id, f"gen-{KEY}")
        assert journal.read(answer.id).generation_id == f"gen-{KEY_MARK}"

    def test_what_may_become_a_secret_waits(self, journal, answer):
        written = []
        for piece in ("the ", KEY[:12], KEY[12:], " and gh", "p_" + "aB3x" * 9, " end"):
            journal.append(answer.id, piece, piece)
            written.append(journal.read(answer.id).text)
        assert written == [
            "the ",
            "the ",
            "the ",
            f"the {KEY_MARK} and ",
            f"the {KEY_MARK} and ",
            f"the {KEY_MARK} and [redacted: github token] ",
        ]
        assert journal.read(answer.id).reasoning == written[-1]

    def test_at_an_end_that_the_database_does_not_take_it_comes_too(self, journal, answer):
        journal.append(answer.id, f"the {KEY[:9]}", "so ")
        question = Message(content=f"my key is {KEY}")
        answer.content = f"the {KEY[:9]}"
        unsaved = Unsaved(Call("m", Cost.unsettled(), provider=KEY), [question, answer])
        journal.keep(answer.id, unsaved)
        entry = journal.read(answer.id)
        assert (entry.text, entry.reasoning) == (f"the {KEY[:9]}", "so ")
        assert [message.content for message in entry.unsaved.messages] == [f"my key is {KEY_MARK}", f"the {KEY[:9]}"]
        assert entry.unsaved.call.provider == KEY_MARK
        journal.keep(answer.id, unsaved)
        assert journal.read(answer.id).text == f"the {KEY[:9]}"
        journal.close(answer.id)
        assert journal.left() == []

    def test_text_that_could_not_be_written_comes_once_when_it_is_given_again(self, journal, kept, answer):
        kept.fails = True
        with pytest.raises(StorageError):
            journal.append(answer.id, "one two")
        kept.fails = False
        journal.append(answer.id, "one two three ")
        assert journal.read(answer.id).text == "one two three "

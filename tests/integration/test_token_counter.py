"""The token counter with the real vocabularies, and the vocabularies themselves."""

import base64
import hashlib
import random
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tiktoken_ext.openai_public
from hypothesis import example, given, settings
from hypothesis import strategies as st

from neuralterm.application.context import TRUNCATION_MARKER, dropped
from neuralterm.domain.models import Message, MessageRole
from neuralterm.infrastructure.token_counter import LONGEST_PIECE, TokenCounter, encoding_name, shared_encoder
from neuralterm.infrastructure.token_pieces import LONGEST_RUN
from neuralterm.infrastructure.vocabularies import DEFINITIONS, read_tokens

ROOT = Path(__file__).resolve().parents[2]
SHA256 = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
GPT_4O = "openai/gpt-4o"
CLAUDE = "anthropic/claude-sonnet-4.5"

HISTORY_ROLES = (MessageRole.USER, MessageRole.ASSISTANT)


@pytest.fixture
def counter():
    return TokenCounter()


def user(text):
    return Message(content=text)


def system(text):
    return Message(role=MessageRole.SYSTEM, content=text)


def long_history(count=40):
    talk = [Message(role=HISTORY_ROLES[number % 2], content=f"word {number} " * 20) for number in range(count)]
    return [system("Be brief."), *talk, user("And?")]


class ScriptedEncoder:
    """Counts characters, or fails."""

    def __init__(self, error=None):
        self.error = error
        self.pieces = []

    def encode_ordinary(self, text):
        self.pieces.append(text)
        if self.error is not None:
            raise self.error
        return [0] * len(text)


class PanicException(BaseException):
    """Named like the one that pyo3 raises."""


# --- counting


@pytest.mark.parametrize(
    ("text", "model", "tokens"),
    [
        ("Hello world", "gpt-3.5-turbo", 2),
        ("Hello world", GPT_4O, 2),
        ("", GPT_4O, 0),
        ("antidisestablishmentarianism", "gpt-4", 6),
        ("antidisestablishmentarianism", GPT_4O, 6),
        ("你好，世界", "gpt-4", 6),
        ("你好，世界", GPT_4O, 3),
    ],
)
def test_count_tokens_with_known_values(counter, text, model, tokens):
    assert counter.count_tokens(text, model) == tokens


@pytest.mark.parametrize("text", ["<|endoftext|>", "a<|fim_prefix|>b", "<|endofprompt|><|im_start|>"])
@pytest.mark.parametrize("model", ["gpt-4", GPT_4O])
def test_spellings_of_special_tokens_are_ordinary_text(counter, text, model):
    assert counter.count_tokens(text, model) > 4


@pytest.mark.parametrize("role", list(MessageRole))
@pytest.mark.parametrize("model", ["gpt-4", GPT_4O])
def test_count_message_with_role(counter, role, model):
    message = Message(role=role, content="Hello world")
    assert counter.count_message(message, model) == 2 + 4


def test_count_messages_total(counter):
    messages = [system("Be kind."), user("Hello world")]
    parts = sum(counter.count_message(message, GPT_4O) for message in messages)
    assert counter.count_messages(messages, GPT_4O) == parts + 3
    assert counter.count_messages([user("Hello world")], "gpt-3.5-turbo") == 9


@given(st.text(st.characters(codec=None, categories=["L", "N", "P", "Z", "C"]), max_size=60))
@example("\ud800")
@example("a\ud83d\ude00\udc00b")
@example("\ud83d\ud83d\ude00\ude00\udc00 \ud800")
def test_any_text_is_counted_within_the_bound(text):
    counter = TokenCounter()
    message = user(text)
    exact = counter.count_messages([message], GPT_4O)
    assert counter.count_tokens(text, GPT_4O) == len(shared_encoder("o200k_base").encode_ordinary(text))
    assert 0 <= exact <= counter.upper_bound([message], GPT_4O) <= counter.upper_bound([message])


# --- which encoding

# fmt: off
NEWER = [
    "gpt-4o", "openai/gpt-4o-mini", "openai/gpt-4o:extended", "gpt-4.1-nano", "gpt-4.5-preview", "openai/gpt-5",
    "gpt-5.1-codex", "openai/chatgpt-4o-latest", "openai/gpt-oss-120b:free", "o1", "openai/o1-pro", "o3-mini",
    "openai/o4-mini-high", "anthropic/claude-sonnet-4.5", "meta-llama/llama-3.1-8b-instruct", "no-such-model", "",
]
OLDER = [
    "gpt-4", "gpt-4-turbo", "openai/gpt-4-turbo-preview", "openai/gpt-4-0314", "gpt-4-32k:nitro", "OpenAI/GPT-4",
    "gpt-3.5-turbo", "openai/gpt-3.5-turbo-16k", "openai/gpt-4@preset/email-copywriter",
]
# fmt: on


@pytest.mark.parametrize("model", NEWER)
def test_newer_and_foreign_models_use_the_newer_encoding(model):
    assert encoding_name(model) == "o200k_base"


@pytest.mark.parametrize("model", OLDER)
def test_older_models_use_the_older_encoding(model):
    assert encoding_name(model) == "cl100k_base"


def test_encoder_caching():
    def count(_):
        return TokenCounter().count_tokens("Hello world", "gpt-4"), shared_encoder("cl100k_base")

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(count, range(8)))
    assert {tokens for tokens, _ in results} == {2}
    assert len({id(encoder) for _, encoder in results}) == 1
    assert shared_encoder("o200k_base") is not shared_encoder("cl100k_base")


# --- difficult text


def test_long_text_is_cut_at_line_ends_and_nothing_is_lost():
    encoder = ScriptedEncoder()
    text = ("x" * 99 + "\n") * 5_000
    assert TokenCounter(lambda _: encoder).count_tokens(text, GPT_4O) == len(text)
    assert "".join(encoder.pieces) == text
    assert max(map(len, encoder.pieces)) <= LONGEST_PIECE
    assert all(piece.endswith("\n") for piece in encoder.pieces)


@pytest.mark.parametrize("unit", ["word ", "x", " ", "\n"])
def test_text_without_line_ends_is_cut_all_the_same(unit):
    encoder = ScriptedEncoder()
    text = unit * (500_000 // len(unit))
    TokenCounter(lambda _: encoder).count_tokens(text, GPT_4O)
    assert "".join(encoder.pieces) == text
    assert max(map(len, encoder.pieces)) <= LONGEST_PIECE
    assert all(encoder.pieces)
    if unit == "word ":
        assert all(piece.startswith(" word") for piece in encoder.pieces[1:])


# fmt: off
RUNS = [
    "x", "Ж", "的", "é", "ก็", "a\u0301", "aA", "=", "=\n", "/\r", "\0", "\x1c-", "\u0301", "\U0001f600", "_", " ", "\t", " \n",
    "\n", "\u3000", "\x1f ",
]
# fmt: on


@pytest.mark.parametrize("unit", RUNS)
def test_a_run_without_a_break_is_cut_into_short_parts(unit):
    encoder = ScriptedEncoder()
    text = "1" + unit * (20 * LONGEST_RUN // len(unit)) + "1"
    TokenCounter(lambda _: encoder).count_tokens(text, GPT_4O)
    assert "".join(encoder.pieces) == text
    assert max(map(len, encoder.pieces)) <= 2 * LONGEST_RUN


@pytest.mark.parametrize("unit", ["word ", "f(x)", "0", "a1", "\u0431\u0430, ", "\u6211\u3002", "->x", "a\n"])
def test_text_with_breaks_stays_whole(unit):
    encoder = ScriptedEncoder()
    text = unit * (20 * LONGEST_RUN // len(unit))
    TokenCounter(lambda _: encoder).count_tokens(text, GPT_4O)
    assert encoder.pieces == [text]


def test_runs_of_mixed_letters_take_no_time_to_find(counter):
    assert counter.count_tokens("1é的" * 5_000 + "é的" * LONGEST_RUN + ">" * LONGEST_RUN, GPT_4O) > 10_000


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from("abcXYZéЖ的ก็\u0301=-/.'\n\r \t\xa0\u3000\U0001f600\0"), min_size=1, max_size=6),
    st.sampled_from(["gpt-4", GPT_4O]),
    st.integers(0, 100),
)
def test_a_cut_run_is_counted_within_a_thousandth_and_bounded(characters, model, seed):
    text = "".join(random.Random(seed).choices(characters, k=5 * LONGEST_RUN))
    exact = len(shared_encoder(encoding_name(model)).encode_ordinary(text))
    counter = TokenCounter()
    assert abs(counter.count_tokens(text, model) - exact) <= max(exact // 1000, 5)
    assert counter.upper_bound([user(text)], model) >= exact


def test_a_million_spaces_do_not_panic(counter):
    assert 0 < counter.count_tokens(" " * 1_100_000 + "x", GPT_4O) < 1_100_000


def test_a_panic_falls_back_to_the_bytes():
    counter = TokenCounter(lambda _: ScriptedEncoder(PanicException("backtrack limit")))
    assert counter.count_tokens("é" * 10, GPT_4O) == 20


def test_other_errors_are_not_swallowed():
    counter = TokenCounter(lambda _: ScriptedEncoder(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        counter.count_tokens("text", GPT_4O)


# --- bounds and windows


def refuse_to_load(name):
    raise AssertionError(f"{name} was loaded")


def test_what_surely_fits_is_never_counted():
    counter = TokenCounter(refuse_to_load)
    messages = long_history(10)
    assert counter.upper_bound(messages) < 10_000
    assert counter.fits(messages, GPT_4O, 10_000)
    assert counter.truncate_context(messages, GPT_4O, 10_500) == messages
    assert counter.upper_bound(messages, CLAUDE) == counter.upper_bound(messages)


def test_fits_counts_where_the_bound_is_too_high(counter):
    messages = [user("word " * 1000)]
    exact = counter.count_messages(messages, GPT_4O)
    assert counter.upper_bound(messages) > 2 * exact
    assert counter.fits(messages, GPT_4O, exact)
    assert not counter.fits(messages, GPT_4O, exact - 1)


def test_the_bound_of_a_known_vocabulary_is_closer_and_still_a_bound(counter):
    messages = [user("word " * 1000)]
    exact = counter.count_messages(messages, GPT_4O)
    assert exact < counter.upper_bound(messages, GPT_4O) < exact + 150


@pytest.mark.parametrize("model", ["eleutherai/gpt-4-all", "openai/gpt-9", "openrouter/auto", CLAUDE])
def test_a_vocabulary_that_is_not_known_is_bounded_by_bytes(counter, model):
    messages = [user("word " * 1000)]
    assert counter.upper_bound(messages, model) == counter.upper_bound(messages)


def test_truncate_context_keeps_system_message(counter):
    messages = long_history()
    result = counter.truncate_context(messages, GPT_4O, 900)
    assert result[0] is messages[0]
    assert result[-1] is messages[-1]
    assert counter.count_messages(result, GPT_4O) <= 400


def test_truncate_context_adds_marker(counter):
    messages = long_history()
    result = counter.truncate_context(messages, GPT_4O, 900)
    assert result[1].content == TRUNCATION_MARKER
    assert result[1].role is MessageRole.SYSTEM
    lost = dropped(messages, result)
    assert lost == messages[1 : 1 + len(lost)]
    assert result[2:] == messages[1 + len(lost) :]
    assert 0 < len(lost) < 40


def test_the_reserve_is_left_for_the_answer(counter):
    messages = long_history()
    room = counter.count_messages(messages, GPT_4O)
    assert counter.truncate_context(messages, GPT_4O, room + 100, reserve_tokens=100) == messages
    assert dropped(messages, counter.truncate_context(messages, GPT_4O, room + 100, reserve_tokens=101))


def test_a_question_that_is_too_long_alone_stays_and_does_not_fit(counter):
    messages = [*long_history(), user("word " * 2000)]
    result = counter.truncate_context(messages, GPT_4O, 1000)
    assert [message.content for message in result] == ["Be brief.", TRUNCATION_MARKER, messages[-1].content]
    assert not counter.fits(result, GPT_4O, 1000)


def test_families_with_shorter_tokens_get_less_history(counter):
    messages = long_history()
    kept = {
        model: len(counter.truncate_context(messages, model, 1500))
        for model in (
            GPT_4O,
            "anthropic/claude-3.5-sonnet",
            "anthropic/claude-opus-4.6-fast",
            "anthropic/claude-opus-4.7",
        )
    }
    assert list(kept.values()) == sorted(kept.values(), reverse=True)
    assert kept[GPT_4O] > kept["anthropic/claude-3.5-sonnet"] > kept["anthropic/claude-opus-4.7"]
    assert kept["anthropic/claude-3.5-sonnet"] == kept["anthropic/claude-opus-4.6-fast"]


# --- vocabularies


@pytest.mark.parametrize("name", SHA256)
def test_a_pack_holds_exactly_the_vocabulary_that_tiktoken_expects(name):
    lines = (base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(read_tokens(name)))
    assert hashlib.sha256(b"".join(lines)).hexdigest() == SHA256[name]


@pytest.mark.parametrize("name", SHA256)
def test_the_definitions_are_those_of_tiktoken(name, monkeypatch):
    hashes = []
    monkeypatch.setattr(
        tiktoken_ext.openai_public, "load_tiktoken_bpe", lambda url, expected_hash: hashes.append(expected_hash)
    )
    theirs = getattr(tiktoken_ext.openai_public, name)()
    assert DEFINITIONS[name].pattern == theirs["pat_str"]
    assert DEFINITIONS[name].special_tokens == theirs["special_tokens"]
    assert hashes == [SHA256[name]]


def test_the_script_makes_the_packs_that_are_shipped(tmp_path):
    for name in SHA256:
        lines = (base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(read_tokens(name)))
        (tmp_path / f"{name}.tiktoken").write_bytes(b"".join(lines))
    made = tmp_path / "packs"
    made.mkdir()
    script = [sys.executable, str(ROOT / "scripts" / "make_vocabularies.py"), str(tmp_path), str(made)]
    assert subprocess.run(script, capture_output=True, check=False).returncode == 0
    for name in SHA256:
        shipped = ROOT / "neuralterm" / "infrastructure" / "vocabularies" / f"{name}.pack"
        assert zlib.decompress((made / shipped.name).read_bytes()) == zlib.decompress(shipped.read_bytes())

    with (tmp_path / "o200k_base.tiktoken").open("ab") as damaged:
        damaged.write(b"eA== 199998\n")
    refused = subprocess.run(script, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "o200k_base.tiktoken: sha256" in refused.stderr


COUNT_WITHOUT_NETWORK = """
import socket, sys

def refuse(*args, **kwargs):
    raise SystemExit("a socket was opened")

socket.socket = socket.create_connection = socket.getaddrinfo = refuse

from neuralterm.domain.models import Message
from neuralterm.infrastructure.token_counter import TokenCounter

counter = TokenCounter()
assert counter.fits([Message(content="Hello world")], "openai/gpt-4o", 1000)
assert "tiktoken" not in sys.modules, "loaded for nothing"
for model in ("gpt-3.5-turbo", "openai/gpt-4o", "anthropic/claude-sonnet-4.5", "unknown"):
    assert counter.count_tokens("Hello world", model) == 2
assert not {"requests", "httpx", "regex"} & set(sys.modules), "the network's libraries were loaded"
print("counted")
"""


def test_counting_needs_no_network(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", COUNT_WITHOUT_NETWORK],
        capture_output=True,
        text=True,
        check=False,
        env={"TIKTOKEN_CACHE_DIR": str(tmp_path), "PATH": ""},
    )
    assert done.stdout.strip() == "counted", done.stderr
    assert not list(tmp_path.iterdir())

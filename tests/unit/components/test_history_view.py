import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from textwrap import dedent
from uuid import UUID

import pytest

from neuralterm.application.history import Transcript
from neuralterm.application.records import ConversationSummary
from neuralterm.application.search import SearchHit
from neuralterm.components import history_export, history_view
from neuralterm.components.history_hits import hits_text
from neuralterm.components.history_table import list_table
from neuralterm.components.machine import dumps
from neuralterm.components.text_width import columns_of
from neuralterm.domain.models import Conversation, CostSource, Message, MessageRole, MessageStatus, TokenUsage
from neuralterm.domain.record import replace

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ID = UUID("018f1111-aaaa-7000-8000-000000000001")
QUESTION = UUID("018f1111-aaaa-7000-8000-000000000002")
ANSWER = UUID("018f1111-aaaa-7000-8000-000000000003")

CONVERSATION = Conversation(
    id=ID,
    title="Why\nblue?",
    model_id="openai/gpt-4o-mini",
    created_at=NOON,
    updated_at=NOON,
    total_cost=Decimal("4.1E-8"),
    total_tokens=15,
    tags=("sky",),
)
MESSAGES = [
    Message(id=QUESTION, conversation_id=ID, content="why is the sky blue?", created_at=NOON),
    Message(
        id=ANSWER,
        conversation_id=ID,
        role=MessageRole.ASSISTANT,
        content="Because\n",
        token_usage=TokenUsage(10, 5, 15, upstream_cost=Decimal("0.5"), is_byok=True),
        cost=Decimal("4.1E-8"),
        cost_source=CostSource.BILLED,
        latency_ms=120,
        model_id="openai/gpt-4o-mini",
        status=MessageStatus.CUT,
        finish_reason="stop",
        reasoning="hm",
        created_at=NOON,
    ),
]
TRANSCRIPT = Transcript(CONVERSATION, MESSAGES)


def a_summary(identity=ID, **fields) -> ConversationSummary:
    conversation = Conversation(id=identity, updated_at=NOON, **fields)
    return ConversationSummary(conversation, 2, "why is the sky blue?", MessageStatus.COMPLETE)


def test_list_document_is_as_promised():
    summary = ConversationSummary(CONVERSATION, 2, "why is the sky blue?", MessageStatus.CUT)

    assert json.loads(dumps(history_view.list_document([summary]))) == {
        "schema_version": 1,
        "conversations": [
            {
                "id": str(ID),
                "title": "Why\nblue?",
                "model": "openai/gpt-4o-mini",
                "created_at": "2026-11-23T12:00:00.000Z",
                "updated_at": "2026-11-23T12:00:00.000Z",
                "messages": 2,
                "total_usd": "0.000000041",
                "unsettled": 0,
                "total_tokens": 15,
                "tags": ["sky"],
                "forked_from": None,
                "deleted_at": None,
                "status": "cut",
                "preview": "why is the sky blue?",
            }
        ],
    }


def test_transcript_document_holds_every_message():
    document = json.loads(dumps(history_view.transcript_document(TRANSCRIPT)))

    assert list(document) == ["schema_version", "conversation", "messages"]
    assert document["conversation"]["id"] == str(ID)
    question, answer = document["messages"]
    assert (question["role"], question["cost"], question["usage"]) == ("user", None, None)
    assert answer == {
        "number": 2,
        "id": str(ANSWER),
        "role": "assistant",
        "content": "Because\n",
        "status": "cut",
        "model": "openai/gpt-4o-mini",
        "created_at": "2026-11-23T12:00:00.000Z",
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "reasoning_tokens": 0,
            "cached_tokens": 0,
            "cache_write_tokens": 0,
        },
        "cost": {"usd": "0.000000041", "source": "billed", "upstream_usd": "0.5"},
        "reasoning": "hm",
        "finish_reason": "stop",
        "latency_ms": 120,
        "attachments": [],
        "withdrawn_at": None,
        "copied_from": None,
    }


def test_an_unsettled_answer_has_no_amount():
    message = Message(role=MessageRole.ASSISTANT, cost_source=CostSource.UNSETTLED)

    cost = history_view.message_document(message, 1)["cost"]

    assert cost == {"usd": None, "source": "unsettled", "upstream_usd": None}
    assert "1 answer of unknown cost" in history_view.transcript_text(Transcript(CONVERSATION, [message]))


def test_text_shows_roles_and_how_far_an_answer_got():
    assert history_view.transcript_text(TRANSCRIPT) == dedent("""\
        Why blue?
        018f1111-aaaa-7000-8000-000000000001
        openai/gpt-4o-mini, 2026-11-23 12:00 UTC, 2 messages, $0.000000041, tagged sky

        --- user ---
        why is the sky blue?

        --- assistant (openai/gpt-4o-mini) [cut] ---
        Because""")


def test_markdown_of_two_has_a_rule_between():
    exported = "\n".join(history_export.exported([TRANSCRIPT, TRANSCRIPT], "md"))

    assert exported.count("\n\n---\n\n# Why blue?\n") == 1
    assert exported.count("## assistant (openai/gpt-4o-mini) [cut]\n\nBecause") == 2


@pytest.mark.parametrize("format", ["md", "jsonl"])
def test_an_export_takes_one_conversation_at_a_time(format):
    read = []

    def reading():
        for number in range(3):
            read.append(number)
            yield TRANSCRIPT

    parts = history_export.exported(reading(), format)

    assert [next(parts) and len(read) for _ in range(3)] == [1, 2, 3]


def test_exports_hold_what_show_holds():
    shown = json.loads(dumps(history_view.transcript_document(TRANSCRIPT)))

    lines = history_export.exported([TRANSCRIPT, TRANSCRIPT], "jsonl")
    assert [json.loads(line) for line in lines] == [shown, shown]
    exported = json.loads(*history_export.exported([TRANSCRIPT], "json"))
    assert exported["schema_version"] == 1
    assert [{"schema_version": 1, **each} for each in exported["conversations"]] == [shown]


def test_a_table_for_programs_is_written_out():
    text = list_table([a_summary(title="x" * 300)], width=None, now=NOON)

    assert str(ID) in text
    assert "2026-11-23 12:00" in text
    assert "x" * 300 in text


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_a_table_for_a_terminal_keeps_to_its_width(width):
    summaries = [a_summary(title="long " * 60, model_id="a/b"), a_summary(UUID(int=5), model_id="a/b")]

    lines = list_table(summaries, width=width, now=NOON + timedelta(hours=3)).splitlines()

    assert max(map(len, lines)) <= width
    assert lines[2].startswith("018f1111  3 hours ago  a/b" if width > 40 else "018f1111  3 hours ago  ")
    assert lines[2].endswith("…")
    assert "why is t" in lines[3]


def test_a_table_for_a_terminal_shortens_models_and_gives_up_columns_before_titles():
    summaries = [
        a_summary(title="天气" * 40, model_id="author/a-long-name-of-a-model"),
        a_summary(UUID(int=5), title="b", total_cost=Decimal("0.001234")),
    ]

    def shown(width):
        lines = list_table(summaries, width=width, now=NOON + timedelta(minutes=10)).splitlines()
        assert max(map(columns_of, lines)) <= width
        assert lines[2].endswith("…")
        return (
            " ".join(lines[0].split()),
            "author/a-long-name-of-a-model" in lines[2],
            "author/a-long-name-of…" in lines[2],
        )

    assert shown(120) == ("id changed model messages cost title", True, False)
    assert shown(86) == shown(80) == ("id changed model cost title", False, True)
    assert shown(74) == shown(50) == ("id changed cost title", False, False)
    assert shown(44) == shown(30) == ("id cost title", False, False)
    assert shown(20) == ("id title", False, False)


def test_what_is_in_the_trash_is_listed_with_when_that_was():
    summary = a_summary(title="x", deleted_at=NOON + timedelta(hours=2))

    assert "deleted (UTC)" in list_table([summary], width=None, now=NOON).splitlines()[0]
    assert "2026-11-23 14:00" in list_table([summary], width=None, now=NOON)
    lines = list_table([summary], width=80, now=NOON + timedelta(hours=3)).splitlines()
    assert lines[0].split()[:2] == ["id", "deleted"]
    assert "1 hour ago" in lines[2]


def test_withdrawn_messages_and_numbers_are_shown():
    taken_back = [replace(message, withdrawn_at=NOON) for message in MESSAGES]
    fork = replace(CONVERSATION, forked_from=QUESTION)
    transcript = Transcript(fork, [*MESSAGES, *taken_back])

    text = history_view.transcript_text(transcript, width=160)

    assert f"4 messages (2 withdrawn), $0.000000041, tagged sky, forked from {QUESTION}" in text
    assert "--- 1 user ---" in text
    assert "--- 4 assistant (openai/gpt-4o-mini) [cut] [withdrawn] ---" in text
    documents = history_view.transcript_document(transcript)
    assert documents["conversation"]["forked_from"] == str(QUESTION)
    assert [each["number"] for each in documents["messages"]] == [1, 2, 3, 4]
    assert [each["withdrawn_at"] for each in documents["messages"]][1:3] == [None, "2026-11-23T12:00:00.000Z"]


@pytest.mark.parametrize("width", [1, 20, 40, 80])
def test_what_is_above_texts_is_broken_between_words(width):
    transcript = Transcript(replace(CONVERSATION, title="a few words " * 9, forked_from=QUESTION), MESSAGES)

    head, messages = history_view.transcript_parts(transcript, width=width)

    whole, _ = history_view.transcript_parts(transcript)
    assert head.split() == whole.split()
    for text in (head, *(heading for heading, _ in messages)):
        assert all(len(line) <= width or " " not in line for line in text.splitlines())
    assert [heading.split()[:3] for heading, _ in messages] == [["---", "1", "user"], ["---", "2", "assistant"]]
    assert messages[-1][0].endswith(" [cut] ---") == (width == 80)


def test_shortened_ids_stay_apart():
    other = UUID("018f1111-aaab-7000-8000-000000000009")

    lines = list_table([a_summary(), a_summary(other)], width=120, now=NOON).splitlines()

    assert lines[2].split()[0] == "018f1111-aaaa"
    assert lines[3].split()[0] == "018f1111-aaab"


def test_hits():
    hit = SearchHit(ID, ANSWER, "assistant", "the [sky]\nis", "Why\nblue?", NOON, matches=((4, 9),))

    text, places = hits_text([hit, hit], width=None, now=NOON)
    one = f"{ID}  2026-11-23 12:00  assistant  Why blue?\n  the sky is"
    assert text == f"{one}\n\n{one}"
    assert [text[start:end] for start, end in places] == ["sky", "sky"]
    assert history_view.hits_document([hit])["hits"] == [
        {
            "conversation_id": str(ID),
            "message_id": str(ANSWER),
            "role": "assistant",
            "title": "Why\nblue?",
            "snippet": "the [sky]\nis",
            "created_at": "2026-11-23T12:00:00.000Z",
        }
    ]


def test_hits_on_a_terminal_are_headed_by_a_line_that_fits():
    hit = SearchHit(ID, ANSWER, "user", "the [sky]", "天气" * 40, NOON, matches=((4, 9),))
    rightwards = SearchHit(ID, ANSWER, "user", "the [sky]", "لماذا", NOON, matches=((4, 9),))

    text, places = hits_text([hit, rightwards], width=50, now=NOON + timedelta(hours=3))

    first, _, _, second, _ = text.splitlines()
    assert columns_of(first) <= 50
    assert first.startswith("018f1111  3 hours ago  user  天气")
    assert first.endswith("气…")
    assert second.count("\u200e") == 4  # one before each column keeps them where they are
    assert [text[start:end] for start, end in places] == ["sky", "sky"]


@pytest.mark.parametrize("width", [12, 24, 40, 300])
def test_hits_on_a_terminal_are_broken_between_words(width):
    words = "a [long answer] of\n words, [天气]天气 and averyveryverylongwordindeed [end]"
    marks = tuple(match.span() for match in re.finditer(r"\[.*?\]", words))
    hit = SearchHit(ID, ANSWER, "user", words, None, NOON, matches=marks)

    text, places = hits_text([hit], width=width, now=NOON)

    lines = text.splitlines()[1:]
    assert " ".join(line.removeprefix("  ") for line in lines) == words.replace("\n", "").translate(
        {ord("["): None, ord("]"): None}
    )
    assert all(columns_of(line) <= width or " " not in line.strip() for line in lines)
    assert all(line.startswith("  ") for line in lines)
    assert "".join(text[start:end] for start, end in places).replace(" ", "") == "longanswer天气end"
    assert all("\n" not in text[start:end] for start, end in places)


@pytest.mark.parametrize(
    ("known", "unsettled", "shown"),
    [("0", 1, "unknown"), ("0.5", 1, "$0.50 + ?"), ("0.5", 0, "$0.50  pending"), ("0", 0, "$0.00  pending")],
)
def test_an_unknown_cost_is_never_shown_as_nothing(known, unsettled, shown):
    conversation = Conversation(id=ID, updated_at=NOON, total_cost=Decimal(known))
    summary = ConversationSummary(conversation, 2, "why?", MessageStatus.PENDING, unsettled=unsettled)
    listed = list_table([summary], width=None, now=NOON)
    assert shown in listed


def test_a_transcript_without_any_known_cost_names_no_amount():
    pending = Message(conversation_id=ID, role=MessageRole.ASSISTANT, status=MessageStatus.PENDING, content="")
    transcript = Transcript(Conversation(id=ID, updated_at=NOON), [pending])
    shown = history_view.transcript_text(transcript)
    assert "1 message, 1 answer of unknown cost" in shown
    assert "$" not in shown

"""Attachments on the way of a prompt: the request, the window, the budget, the models that can't take them."""

from base64 import b64encode
from dataclasses import replace
from decimal import Decimal

import pytest

from neuralterm.application.attachments import AUDIO_FORMATS, TOKENS_OF, Attachments, content_parts
from neuralterm.application.context import TRUNCATION_MARKER
from neuralterm.application.records import SendOptions
from neuralterm.application.sending import SendRequest, send
from neuralterm.domain import exceptions as exc
from neuralterm.domain.attachments import Attachment, AttachmentKind, attachments_of
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.models import CostSource, Message
from neuralterm.infrastructure.token_counter import TokenCounter
from tests.fakes.attachments import InMemoryAttachmentStore, attached, linked
from tests.fakes.client import USAGE, final
from tests.fakes.world import MODEL, Lookup, make_world

pytestmark = pytest.mark.anyio

OK = ["ok", final()]
SEEING = replace(MODEL, input_modalities=("text", "image"))
BLIND = replace(MODEL, id="blind/model", input_modalities=("text",))


def data(content):
    return b64encode(content).decode()


def world_with_store(*scripts, models=(MODEL,), **arguments):
    store = InMemoryAttachmentStore()
    lookup = Lookup(*models)
    world = make_world(*scripts, lookup=lookup, attachments=lambda: Attachments(store), **arguments)
    return world, store, lookup


def parts(*files, text="look"):
    message = Message(content=text)
    Attachments(InMemoryAttachmentStore()).attach(message, files)
    contents = {file.attachment.sha256: file.content for file in files if file.content}
    return content_parts(message, contents)


def test_each_kind_has_its_part_after_the_text():
    sent = parts(attached("pdf", b"p", "paper.pdf"), attached("image", b"i"), attached("audio", b"a"))
    assert sent == [
        {"type": "text", "text": "look"},
        {"type": "file", "file": {"filename": "paper.pdf", "file_data": f"data:application/pdf;base64,{data(b'p')}"}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data(b'i')}"}},
        {"type": "input_audio", "input_audio": {"data": data(b"a"), "format": "wav"}},
    ]


def test_an_address_is_passed_on():
    assert parts(linked(), linked("pdf", "https://example.org/p.pdf"))[1:] == [
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
        {"type": "file", "file": {"filename": "p.pdf", "file_data": "https://example.org/p.pdf"}},
    ]


@pytest.mark.parametrize(("media_type", "name"), AUDIO_FORMATS.items())
def test_each_sound_format_has_the_name_that_the_service_knows(media_type, name):
    file = attached("audio")
    (_, part) = parts(replace(file, attachment=replace(file.attachment, media_type=media_type)))
    assert part["input_audio"]["format"] == name
    assert name in {"wav", "mp3", "flac", "m4a", "ogg", "aiff", "aac"}


@pytest.mark.parametrize("file", [attached("audio", b"x" * 10, "ä"), linked(media_type=None)])
def test_a_record_gives_the_attachment_back(file):
    assert Attachment.from_record(file.attachment.to_record()) == file.attachment


async def test_attachments_are_sent_and_kept():
    world, store, _ = world_with_store(OK)
    file = attached(content=b"cat")
    request = SendRequest("what is it?", SendOptions(), default_model=MODEL.id, attachments=(file, linked()))
    answer = await send(request, world.orchestrator, world.repository, lambda text: None)
    (message,) = world.client.requests[0]["messages"]
    assert [part["type"] for part in message["content"]] == ["text", "image_url", "image_url"]
    assert message["content"][0]["text"] == "what is it?"
    assert store.contents == {file.attachment.sha256: b"cat"}
    question = world.repository.get_messages(answer.conversation_id)[0]
    assert attachments_of(question) == [file.attachment, linked().attachment]


async def test_earlier_attachments_go_along_as_they_were():
    world, _, _ = world_with_store(OK, OK)
    conversation = await world.converse()
    await world.ask("first", conversation, attachments=[attached(content=b"cat")])
    await world.ask("second", conversation)
    first, _, second = world.client.requests[1]["messages"]
    assert first == world.client.requests[0]["messages"][0]
    assert second == {"role": "user", "content": "second"}


async def test_an_attachment_that_is_sent_again_needs_no_second_copy():
    world, store, _ = world_with_store(OK, OK)
    conversation = await world.converse()
    for _ in range(2):
        await world.ask("look", conversation, attachments=[attached(content=b"cat")])
    assert list(store.contents.values()) == [b"cat"]
    assert len(attachments_of(world.repository.get_messages(conversation.id)[2])) == 1


async def test_a_model_that_is_known_to_take_no_images_is_not_asked():
    world, store, lookup = world_with_store(models=[BLIND])
    conversation = await world.converse(model_id=BLIND.id)
    with pytest.raises(exc.ValidationError, match="takes no image input") as caught:
        await world.ask("look", conversation, attachments=[linked(), attached()])
    assert caught.value.hint == "`neuralterm models --input image` lists the models that do"
    assert lookup.asked == [BLIND.id]
    assert (world.client.requests, store.contents, world.repository.get_messages(conversation.id)) == ([], {}, [])


async def test_nor_one_that_is_asked_later_in_the_same_conversation():
    world, _, _ = world_with_store(OK, models=[SEEING, BLIND])
    conversation = await world.converse()
    await world.ask("look", conversation, attachments=[attached(name="cat.png")])
    with pytest.raises(exc.ValidationError, match=r"cat\.png"):
        await world.ask("and?", conversation, options=SendOptions(model=BLIND.id))


async def test_nor_a_fallback():
    world, _, _ = world_with_store(models=[SEEING, BLIND])
    with pytest.raises(exc.ValidationError, match="blind/model takes no image input"):
        await world.ask("look", attachments=[attached()], options=SendOptions(fallbacks=(BLIND.id,)))


@pytest.mark.parametrize("model", [SEEING, MODEL, None])
async def test_a_model_that_takes_images_or_may_take_them_is_asked(model):
    world, _, _ = world_with_store(OK, models=[model] if model else [])
    await world.ask("look", attachments=[attached()])
    assert len(world.client.requests) == 1


async def test_any_model_takes_a_pdf():
    world, _, _ = world_with_store(OK, models=[BLIND])
    conversation = await world.converse(model_id=BLIND.id)
    await world.ask("read", conversation, attachments=[attached("pdf")])
    assert len(world.client.requests) == 1


async def test_a_list_that_can_not_be_got_is_no_reason_not_to_ask():
    lookup = Lookup(error=exc.ServiceUnreachableError("no"))
    store = InMemoryAttachmentStore()
    world = make_world(OK, lookup=lookup, attachments=lambda: Attachments(store))
    await world.ask("look", attachments=[attached()])
    assert len(world.client.requests) == 1


@pytest.mark.parametrize("limit", ["0.001", "1000000"])
async def test_under_a_budget_what_is_attached_can_not_be_bounded(limit):
    budget = Budget("ceiling", Decimal(limit), Window.CALL)
    world, store, _ = world_with_store(budgets=[budget])
    with pytest.raises(exc.BudgetExceededError, match=r"attached \(cat\.png and 1 more\)") as caught:
        await world.ask("look", attachments=[attached(name="cat.png"), attached("pdf", name="b.pdf")])
    assert (caught.value.code, caught.value.mid_answer) == ("COST_UNBOUNDED", False)
    assert (world.client.requests, store.contents, world.store.tables.calls) == ([], {}, {})


async def test_an_earlier_attachment_is_no_cheaper():
    budgets = []
    world, _, _ = world_with_store(OK, budgets=lambda: budgets)
    conversation = await world.converse()
    await world.ask("look", conversation, attachments=[linked()])
    budgets.append(Budget("ceiling", Decimal(1), Window.CALL))
    with pytest.raises(exc.BudgetExceededError, match=r"cat\.png"):
        await world.ask("and?", conversation)


@pytest.mark.parametrize("files", [[], [attached()], [linked()]])
async def test_without_a_budget_the_ledger_has_no_bound_for_the_call(files):
    bounds = []
    world, _, _ = world_with_store(
        [lambda: bounds.extend(call.cost.at_most_usd for call in world.store.tables.calls.values()), *OK]
    )
    await world.ask("look", attachments=files)
    (bound,) = bounds
    assert (bound is None) is bool(files)


@pytest.mark.parametrize(
    ("usage", "files", "cost"),
    [
        (USAGE, [], (Decimal("0.00005"), CostSource.COMPUTED)),
        (USAGE, [attached()], (Decimal("0.00005"), CostSource.ESTIMATED)),
        (None, [attached("pdf")], (None, CostSource.UNSETTLED)),
        (replace(USAGE, cost=Decimal("0.5")), [attached("pdf")], (Decimal("0.5"), CostSource.BILLED)),
    ],
)
async def test_what_is_attached_is_priced_by_the_service_alone(usage, files, cost):
    world, _, _ = world_with_store(["ok", final(usage)])
    _, metadata = await world.ask("look", attachments=files)
    answer = metadata["answer"]
    assert (answer.cost.usd, answer.cost.source) == cost


async def test_an_attachment_that_was_left_out_of_the_window_is_neither_read_nor_refused():
    world, store, _ = world_with_store(OK, OK, models=[SEEING, replace(BLIND, context_length=1000)])
    conversation = await world.converse()
    await world.ask("look " * 900, conversation, attachments=[attached()])
    store.contents.clear()
    await world.ask("and?", conversation, options=SendOptions(model=BLIND.id))
    assert [message["content"] for message in world.client.requests[1]["messages"]][-1] == "and?"
    assert all(isinstance(message["content"], str) for message in world.client.requests[1]["messages"])


@pytest.mark.parametrize("model_id", ["openai/gpt-4o", "some/model"])
def test_attachments_count_in_the_window(model_id):
    counter = TokenCounter()
    bare, full = Message(content="look"), Message(content="look")
    Attachments(InMemoryAttachmentStore()).attach(full, [attached(), attached("pdf"), linked()])
    more = 2 * TOKENS_OF[AttachmentKind.IMAGE] + TOKENS_OF[AttachmentKind.PDF]
    assert counter.count_messages([full], model_id) - counter.count_messages([bare], model_id) == more
    assert counter.upper_bound([full], model_id) - counter.upper_bound([bare], model_id) == more
    assert counter.upper_bound([full]) - counter.upper_bound([bare]) == more
    question = Message(content="and?")
    assert [each.content for each in counter.truncate_context([full, question], model_id, more)] == [
        TRUNCATION_MARKER,
        "and?",
    ]
    assert counter.truncate_context([full, question], model_id, more + 2000) == [full, question]


async def test_an_orchestrator_that_can_not_keep_attachments_says_so():
    world = make_world()
    with pytest.raises(exc.ValidationError, match="nowhere to keep"):
        await world.ask("look", attachments=[attached()])


def test_each_kind_takes_a_share_of_the_window():
    assert set(TOKENS_OF) == set(AttachmentKind)
    assert all(0 < tokens < 4000 for tokens in TOKENS_OF.values())

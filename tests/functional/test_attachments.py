"""`send --attach`: what goes over the wire, what is kept of it, what is refused before anything is sent."""

import json
import os
from base64 import b64encode

import pytest

from .stand_in import MODEL, MODELS, PATIENCE_S
from .test_root import modules_of

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PDF = b"%PDF-1.7\n\x00\xff"
FLAC = b"fLaC\x00\x00\x00\x22\xff"


def listed(*modalities, model=MODEL):
    entry = next(entry for entry in MODELS if entry["id"] == model)
    return {"data": [{**entry, "architecture": {**entry["architecture"], "input_modalities": list(modalities)}}]}


@pytest.fixture
def seeing(service):
    """The service with a model that takes every kind of input."""
    service.models = listed("text", "image", "file", "audio")
    return service


@pytest.fixture
def files(tmp_path):
    """Paths of an image, a PDF and a sound, under names that tell nothing."""
    contents = {"one.bin": PNG, "two.pdf": PDF, "three": FLAC}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return [str(tmp_path / name) for name in contents]


def messages(request):
    return request.body["messages"]


def image_part(content=PNG):
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(content).decode()}"}}


def error_code(result):
    return json.loads(result.err.splitlines()[-1])["error"]["code"]


class TestRequest:
    def test_the_text_comes_first_then_the_attachments_in_order(self, seeing, run, files):
        image, pdf, sound = files
        address = "https://example.org/cat.jpg?size=2"
        result = run("send", "-a", pdf, "-a", image, "-a", address, "-a", sound, "compare", "these")
        assert (result.code, result.out, result.err) == (0, "Hello there.\n", "")
        (chat,) = seeing.chats
        assert messages(chat) == [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "compare these"},
                    {
                        "type": "file",
                        "file": {
                            "filename": "two.pdf",
                            "file_data": f"data:application/pdf;base64,{b64encode(PDF).decode()}",
                        },
                    },
                    image_part(),
                    {"type": "image_url", "image_url": {"url": address}},
                    {"type": "input_audio", "input_audio": {"data": b64encode(FLAC).decode(), "format": "flac"}},
                ],
            }
        ]

    def test_a_dash_attaches_stdin(self, seeing, run):
        assert run("send", "-a", "-", "what is it?", stdin=PNG).code == 0
        (chat,) = seeing.chats
        assert messages(chat)[0]["content"] == [{"type": "text", "text": "what is it?"}, image_part()]

    def test_stdin_can_still_be_the_text(self, seeing, run, files):
        assert run("send", "-a", files[0], stdin="what is it?\n").code == 0
        (chat,) = seeing.chats
        assert messages(chat)[0]["content"] == [{"type": "text", "text": "what is it?"}, image_part()]

    def test_attachments_go_with_a_template_too(self, seeing, run, files, tmp_path):
        (tmp_path / "look.toml").write_text('prompt = "look closely"')
        assert run("send", "-t", str(tmp_path / "look.toml"), "-a", files[0]).code == 0
        (chat,) = seeing.chats
        assert messages(chat)[0]["content"][0]["text"] == "look closely"

    @pytest.mark.parametrize("option", [[], ["--no-stream"], ["--json"]])
    def test_the_sandbox_takes_them(self, run, files, option):
        result = run("--sandbox", "send", "-m", "openai/gpt-4o", *option, "-a", files[0], "-a", files[1], "hello")
        assert result.code == 0
        assert "You said: hello" in result.out


class TestConversation:
    def test_what_was_attached_goes_along_when_the_conversation_goes_on(self, seeing, run, files, tmp_path):
        run("send", "-a", files[0], "what is it?")
        (tmp_path / "one.bin").unlink()
        assert run("send", "-c", "sure?").code == 0
        first, second = seeing.chats
        assert messages(second)[0] == messages(first)[0]
        assert messages(second)[1:] == [
            {"role": "assistant", "content": "Hello there."},
            {"role": "user", "content": "sure?"},
        ]

    def test_history_names_them(self, seeing, run, files):
        run("send", "-a", files[0], "-a", "https://example.org/cat", "what is it?")
        identity = json.loads(run("history", "--json").out)["conversations"][0]["id"]
        question, answer = json.loads(run("history", "show", identity, "--json").out)["messages"]
        assert question["attachments"] == [
            {"kind": "image", "name": "one.bin", "media_type": "image/png", "bytes": len(PNG), "url": None},
            {"kind": "image", "name": "cat", "media_type": None, "bytes": None, "url": "https://example.org/cat"},
        ]
        assert answer["attachments"] == []
        shown = "what is it?\n\n[image: one.bin, image/png, 264 bytes]\n[image: https://example.org/cat]\n"
        assert shown in run("history", "show", identity).out
        assert shown in run("history", "export", identity).out

    def test_the_content_is_kept_once_and_goes_with_the_last_conversation(self, seeing, run, files, stored):
        for _ in range(2):
            run("send", "-a", files[0], "what is it?")
        assert stored("SELECT content FROM attachments") == [(PNG,)]
        identities = [each["id"] for each in json.loads(run("history", "--json").out)["conversations"]]
        run("history", "delete", "-y", "--purge", identities[0])
        assert stored("SELECT count(*) FROM attachments") == [(1,)]
        run("history", "delete", "-y", "--purge", identities[1])
        assert stored("SELECT count(*) FROM attachments") == [(0,)]


class TestRefusals:
    """Whatever is refused: nothing is sent, nothing is kept."""

    @pytest.fixture(autouse=True)
    def nothing_sent(self, service, stored):
        yield
        assert service.chats == []

    def test_a_model_that_is_known_to_take_no_images(self, service, run, files):
        result = run("send", "--json", "-a", files[1], "-a", files[0], "what is it?")
        assert result.code == 2
        assert error_code(result) == "MODALITY_UNSUPPORTED"
        assert f"error: {MODEL} takes no image input" in result.err
        assert "hint: `neuralterm models --input image` lists the models that do" in result.err
        assert json.loads(run("history", "--json").out)["conversations"] == []

    def test_a_model_that_is_known_to_take_no_sound(self, service, run, files):
        service.models = listed("text", "image")
        result = run("send", "-a", files[2], "what is it?")
        assert result.code == 2
        assert "takes no audio input" in result.err

    def test_under_a_budget_the_cost_can_not_be_bounded(self, seeing, run, files):
        result = run("send", "--json", "--max-cost", "5", "-a", files[0], "what is it?")
        assert result.code == 4
        assert error_code(result) == "COST_UNBOUNDED"
        assert "one.bin" in result.err

    def test_an_attachment_without_a_prompt(self, seeing, run, files):
        result = run("send", "--json", "-a", files[0])
        assert (result.code, error_code(result)) == (2, "EMPTY_INPUT")
        assert "an attachment needs one" in result.err

    @pytest.mark.parametrize("others", [["-f", "-", "hi"], ["hi", "-"], ["-a", "-", "hi"]])
    def test_stdin_for_two_things(self, seeing, run, others):
        result = run("send", "-a", "-", *others, stdin=PNG)
        assert result.code == 2
        assert "stdin can be read only once" in result.err

    @pytest.mark.parametrize(
        "source",
        ["missing.png", "http://example.org/cat.png", "data:image/png;base64,AAAA", "https://example.org/a.mp3"],
    )
    def test_what_can_not_be_attached(self, seeing, run, source):
        result = run("send", "-a", source, "hi")
        assert result.code == 2
        assert source in result.err or "data: URL" in result.err

    def test_stdin_beyond_the_limit_is_not_read_to_its_end(self, seeing, start, tmp_path):
        (tmp_path / "huge").write_bytes(b"")
        os.truncate(tmp_path / "huge", 60_000_000)
        with (tmp_path / "huge").open("rb") as huge:
            process = start("send", "-a", "-", "hi", stdin=huge)
            _, stderr = process.communicate(timeout=PATIENCE_S)
            read = os.lseek(huge.fileno(), 0, os.SEEK_CUR)
        assert (process.returncode, read < 21_000_000) == (2, True)
        assert b"the attachment stdin is larger than 20 MB" in stderr

    def test_a_text_file(self, seeing, run, tmp_path):
        (tmp_path / "notes.txt").write_text("notes")
        result = run("send", "-a", str(tmp_path / "notes.txt"), "hi")
        assert result.code == 2
        assert "text goes by -f" in result.err


def test_a_model_that_is_not_listed_is_asked(service, run, files):
    assert run("send", "-m", "some/model", "-a", files[0], "what is it?").code == 0
    assert len(service.chats) == 1


def test_a_prompt_without_attachments_loads_nothing_of_them(service):
    modules = modules_of("send", "hi")
    assert "neuralterm.application.orchestrator" in modules
    assert [name for name in modules if "attachment" in name] == []


def test_any_model_is_asked_about_a_pdf(service, run, files):
    assert run("send", "-a", files[1], "what is it?").code == 0
    assert len(service.chats) == 1

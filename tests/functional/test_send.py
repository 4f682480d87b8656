"""`send`: what is asked of the service, what is on stdout and on stderr, how it ends."""

import json
import os
import re
import sqlite3
import threading
from decimal import Decimal

import pytest

from .conftest import KEY
from .stand_in import MODEL, chunk, endless, error, events, held, text

ANSWER_KEYS = [
    "schema_version",
    "id",
    "conversation_id",
    "run_id",
    "generation_id",
    "model",
    "requested_model",
    "provider",
    "content",
    "reasoning",
    "finish_reason",
    "status",
    "usage",
    "cost",
    "latency_ms",
    "first_token_ms",
    "tags",
    "created_at",
]
USAGE_KEYS = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "cache_write_tokens",
]
ERROR_KEYS = ["code", "message", "exit_code", "retryable", "retry_after", "cost_usd", "conversation_id"]
PICO = 10**12


def sent(service):
    """Return the body of the one chat request."""
    (request,) = service.chats
    return request.body


def error_object(stderr):
    """Return the error object on stderr, which is its last line."""
    document = json.loads(stderr.splitlines()[-1])
    assert list(document) == ["schema_version", "error"]
    assert document["schema_version"] == 1
    assert list(document["error"]) == ERROR_KEYS
    return document["error"]


class TestAnswer:
    def test_the_answer_is_on_stdout_and_nothing_on_stderr(self, service, run):
        result = run("send", "hi")
        assert (result.code, result.out, result.err) == (0, "Hello there.\n", "")

    def test_the_request_holds_the_prompt_and_no_more_than_was_asked_for(self, service, run):
        run("send", "why", "is", "it", "blue?")
        assert sent(service) == {
            "model": MODEL,
            "messages": [{"role": "user", "content": "why is it blue?"}],
            "stream": True,
        }

    @pytest.mark.parametrize(
        ("deltas", "printed"),
        [
            (["no newline"], "no newline\n"),
            (["one newline\n"], "one newline\n"),
            (["several\n\n", "\n"], "several\n"),
            (["inside\n\n", "\nstays"], "inside\n\n\nstays\n"),
            (["  leading and trailing blanks  "], "  leading and trailing blanks  \n"),
        ],
    )
    def test_the_answer_ends_with_exactly_one_newline(self, service, run, deltas, printed):
        service.scripts = [text(*deltas)]
        assert run("send", "hi").out == printed

    @pytest.mark.parametrize("options", [[], ["--no-stream"]])
    def test_an_answer_without_text_leaves_stdout_empty_and_is_told_of(self, service, run, options):
        service.scripts = [text()]
        result = run("send", "hi", *options)
        assert (result.code, result.out, result.err) == (0, "", "note: the answer is empty\n")

    def test_control_characters_pass_unchanged_where_stdout_is_no_terminal(self, service, run):
        service.scripts = [text("\x1b[31mred\x1b[0m\x07\r")]
        assert run("send", "hi").raw == b"\x1b[31mred\x1b[0m\x07\r\n"

    def test_the_stored_conversation_holds_question_answer_and_cost(self, service, run, stored):
        run("send", "hi")
        assert stored("SELECT role, content, status FROM messages ORDER BY position") == [
            ("user", "hi", "complete"),
            ("assistant", "Hello there.", "complete"),
        ]
        ((cost, source),) = stored("SELECT cost, source FROM calls")
        assert (Decimal(cost) / PICO, source) == (sum(service.bill), "billed")


class TestStreamShapes:
    def test_comments_and_carriage_returns_are_no_part_of_the_answer(self, service, run):
        def script(exchange):
            exchange.begin_stream()
            exchange.block(b": OPENROUTER PROCESSING\r\n\r\n")
            exchange.event(chunk({"content": "fine"}), newline="\r\n")
            exchange.block(b": OPENROUTER PROCESSING\r\n\r\n")
            exchange.finish(newline="\r\n")

        service.scripts = [script]
        assert run("send", "hi").out == "fine\n"

    def test_utf8_split_between_writes_arrives_whole(self, service, run):
        def script(exchange):
            exchange.begin_stream()
            data = f"data: {json.dumps(chunk({'content': 'añ日🎉'}), ensure_ascii=False)}\n\n".encode()
            for position in range(len(data)):
                exchange.block(data[position : position + 1])
            exchange.finish()

        service.scripts = [script]
        assert run("send", "hi").raw == "añ日🎉\n".encode()

    def test_chunks_without_choices_and_null_content_are_harmless(self, service, run):
        nothing = {"id": "gen-1", "model": MODEL}
        service.scripts = [
            events(
                {**nothing, "choices": []},
                nothing,
                chunk({"content": None}),
                chunk({"content": "ok"}),
                chunk({"content": None}, finish_reason="stop"),
                chunk(finish_reason="stop", usage=None),
                "[DONE]",
            )
        ]
        result = run("send", "hi")
        assert (result.code, result.out) == (0, "ok\n")

    def test_a_usage_that_was_not_reported_is_estimated_by_list_price(self, service, run):
        service.scripts = [text("ok", usage=None)]
        answer = json.loads(run("send", "--json", "hi").out)
        assert (answer["usage"], answer["cost"]["source"]) == (None, "estimated")
        assert Decimal(answer["cost"]["usd"]) > 0

    def test_a_cost_that_was_not_reported_of_a_model_that_is_not_listed_is_unknown_and_never_zero(self, service, run):
        service.scripts = [text("ok", usage=None)]
        result = run("send", "--json", "-u", "-m", "not/listed", "hi")
        answer = json.loads(result.out)
        assert answer["usage"] is None
        assert answer["cost"] == {"usd": None, "source": "unsettled", "upstream_usd": None}
        assert result.err.startswith("usage: tokens not reported · cost not known yet")
        assert "$0" not in result.err

    def test_a_usage_without_cost_is_computed_by_list_price_where_that_is_known(self, service, run):
        tokens = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        service.scripts = [text("ok", usage=tokens)]
        answer = json.loads(run("send", "--json", "--max-cost", "1", "hi").out)
        assert answer["cost"] == {"usd": "0.000021", "source": "computed", "upstream_usd": None}

    def test_an_error_under_status_200_is_a_refusal(self, service, run):
        service.scripts = [lambda exchange: exchange.reply(200, {"error": {"code": 400, "message": "bad field"}})]
        result = run("send", "hi")
        assert (result.code, result.out, result.err) == (6, "", "error: bad field\n")


class TestRequestOptions:
    @pytest.mark.parametrize(
        ("options", "note"),
        [
            (["-m", "x/y", "--fallback", MODEL], f"note: {MODEL} answered\n"),
            (["--fallback", "x/y"], ""),
            (["-m", "openai/gpt-4o-mini-latest"], ""),
        ],
        ids=["the second", "the first", "by another name"],
    )
    def test_which_of_several_models_answered_is_said(self, service, run, stored, options, note):
        result = run("send", *options, "hi")
        assert (result.code, result.err) == (0, note)
        assert stored("SELECT model FROM calls") == [(MODEL,)]

    @pytest.mark.parametrize(
        ("options", "field", "value"),
        [
            (["-m", "a/b"], "model", "a/b"),
            (["--temperature", "0.3"], "temperature", Decimal("0.3")),
            (["--max-tokens", "77"], "max_tokens", 77),
            (["--reasoning", "low"], "reasoning", {"effort": "low"}),
            (["--provider", "A", "--provider", "B"], "provider", {"only": ["A", "B"]}),
            (["--fallback", "x/y", "--fallback", "z/z"], "models", [MODEL, "x/y", "z/z"]),
            (["-o", "seed", "7"], "seed", 7),
            (["-o", "stop", '["a","b"]'], "stop", ["a", "b"]),
            (["-o", "user", "me"], "user", "me"),
            (["-o", "temperature", "0.25"], "temperature", Decimal("0.25")),
            (["-o", "max_tokens", "9"], "max_tokens", 9),
            (["-o", "max_tokens", "1e3"], "max_tokens", 1000),
            (["-o", "top_p", "0.9"], "top_p", Decimal("0.9")),
            (["--no-stream"], "stream", False),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else None,
    )
    def test_an_option_becomes_a_field_of_the_request(self, service, run, options, field, value):
        assert run("send", *options, "hi").code == 0
        assert sent(service)[field] == value
        assert type(sent(service)[field]) is type(value)

    def test_a_system_prompt_goes_before_the_question(self, service, run):
        run("send", "-s", "be brief", "hi")
        assert [message["role"] for message in sent(service)["messages"]] == ["system", "user"]
        assert sent(service)["messages"][0]["content"] == "be brief"

    @pytest.mark.parametrize("field", ["model", "messages", "stream", "models"])
    def test_fields_with_an_option_of_their_own_are_refused_under_o(self, service, run, field):
        result = run("send", "-o", field, "1", "hi")
        assert (result.code, result.out, service.chats) == (2, "", [])
        assert result.err.startswith(f"error: -o {field} is not possible\nhint: use ")

    @pytest.mark.parametrize("form", ["file", "inline"])
    def test_a_schema_becomes_the_response_format(self, service, run, tmp_path, form):
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        given = json.dumps(schema)
        if form == "file":
            path = tmp_path / "schema.json"
            path.write_text(given)
            given = str(path)
        run("send", "--schema", given, "hi")
        body = sent(service)
        assert body["response_format"]["type"] == "json_schema"
        assert body["response_format"]["json_schema"]["schema"] == schema
        assert body["response_format"]["json_schema"]["strict"] is True
        assert body["provider"] == {"require_parameters": True}

    @pytest.mark.parametrize("schema", ["{not json", "/nowhere/schema.json"])
    def test_a_schema_that_cannot_be_used_is_refused_before_any_request(self, service, run, schema):
        result = run("send", "--schema", schema, "hi")
        assert (result.code, result.out, service.requests) == (2, "", [])
        assert result.err.startswith("error: the schema ")

    def test_no_stream_prints_the_whole_answer(self, service, run):
        result = run("send", "--no-stream", "hi")
        assert (result.code, result.out, result.err) == (0, "Hello there.\n", "")

    def test_the_model_and_the_tags_of_the_environment_are_used(self, service, run, stored, monkeypatch):
        monkeypatch.setenv("NEURALTERM_MODEL", "env/model")
        monkeypatch.setenv("NEURALTERM_TAGS", "ci, nightly")
        monkeypatch.setenv("NEURALTERM_RUN_ID", "job-17")
        answer = json.loads(run("send", "--json", "--tag", "mine", "hi").out)
        assert sent(service)["model"] == "env/model"
        assert (answer["tags"], answer["run_id"]) == (["mine", "ci", "nightly"], "job-17")
        assert stored("SELECT run_id FROM calls") == [("job-17",)]
        assert stored("SELECT tag FROM call_tags ORDER BY tag") == [("ci",), ("mine",), ("nightly",)]


class TestExtractUsageQuiet:
    FENCED = "Here you are:\n```python\nprint(1)\n\nprint(2)\n```\nand\n```\nmore\n```\n"

    def test_x_prints_the_first_code_block_only(self, service, run):
        service.scripts = [text(self.FENCED[:20], self.FENCED[20:])]
        assert run("send", "-x", "hi").out == "print(1)\n\nprint(2)\n"

    def test_x_prints_all_of_an_answer_without_code_block(self, service, run):
        result = run("send", "-x", "hi")
        assert (result.code, result.out) == (0, "Hello there.\n")
        assert result.err == "note: the answer has no code block, so all of it was printed\n"

    def test_u_tells_tokens_cost_and_who_answered_on_stderr(self, service, run):
        result = run("send", "-u", "hi")
        assert result.out == "Hello there.\n"
        pattern = r"usage: 10 \+ 5 tokens · \$0\.0000045 billed · \d+\.\d s · openai/gpt-4o-mini by Stand-in\n"
        assert re.fullmatch(pattern, result.err)

    @pytest.mark.parametrize("line", [["-q", "send", "-u", "hi"], ["send", "-q", "-u", "hi"]])
    def test_q_leaves_no_notes_on_stderr(self, service, run, line):
        service.scripts = [text("Hello", reason="length")]
        result = run(*line)
        assert (result.code, result.out, result.err) == (10, "Hello\n", "")

    @pytest.mark.parametrize("line", [["-q", "send", "hi"], ["send", "-q", "hi"]])
    def test_q_silences_warnings_about_settings_too(self, service, run, tmp_path, monkeypatch, line):
        (tmp_path / ".neuralterm.toml").write_text('base_url = "https://evil.example/"\n')
        monkeypatch.chdir(tmp_path)
        assert "is ignored" in run("send", "hi").err
        assert run(*line).err == ""

    def test_q_leaves_errors(self, service, run):
        service.scripts = [error(400, "no")]
        assert run("send", "-q", "hi").err == "error: no\n"


class TestFiles:
    def test_files_go_before_stdin_and_stdin_before_the_words(self, service, run, tmp_path):
        path = tmp_path / "notes.txt"
        path.write_text("from a file\n")
        run("send", "-f", str(path), "the question", stdin="from stdin\n")
        content = sent(service)["messages"][0]["content"]
        assert content == f"{path}:\nfrom a file\n\nfrom stdin\n\nthe question"

    def test_one_blank_line_follows_what_f_reads_from_stdin(self, service, run):
        run("send", "-f", "-", "the question", stdin="from stdin\n")
        assert sent(service)["messages"][0]["content"] == "from stdin\n\nthe question"

    def test_a_file_without_text_is_no_prompt(self, service, run, tmp_path):
        path = tmp_path / "empty.txt"
        path.write_text(" \n")
        result = run("send", "-f", str(path))
        assert (result.code, result.out, service.requests) == (2, "", [])
        assert result.err.startswith("error: the prompt is empty\n")

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"\x89PNG\r\n\x1a\n\x00\x00", "is binary, not text"),
            (b"text " * 20000 + b"\x00", "is binary, not text"),
            (b"caf\xe9", "is not UTF-8 text (byte 3)"),
            (None, "can't be read"),
        ],
    )
    def test_a_file_that_is_no_text_is_refused_before_any_request(self, service, run, tmp_path, content, complaint):
        path = tmp_path / "input"
        if content is not None:
            path.write_bytes(content)
        result = run("send", "-f", str(path), "hi")
        assert (result.code, result.out, service.requests) == (2, "", [])
        assert result.err.startswith("error: ")
        assert complaint in result.err

    def test_utf16_with_a_mark_and_utf8_with_a_mark_are_text(self, service, run, tmp_path):
        path = tmp_path / "input"
        for encoding in ("utf-16", "utf-8-sig"):
            path.write_bytes("żółw".encode(encoding))
            assert run("send", "-f", str(path)).code == 0
        contents = [request.body["messages"][0]["content"] for request in service.chats]
        assert contents == [f"{path}:\nżółw"] * 2


class TestConversations:
    def test_c_goes_on_with_the_last_conversation(self, service, run, stored):
        run("send", "-s", "be brief", "first")
        run("send", "-c", "second")
        roles = [message["role"] for message in service.chats[1].body["messages"]]
        assert roles == ["system", "user", "assistant", "user"]
        assert len(stored("SELECT * FROM conversations")) == 1

    def test_c_keeps_the_model_of_the_conversation(self, service, run):
        run("send", "-m", "a/b", "first")
        run("send", "-c", "second")
        assert service.chats[1].body["model"] == "a/b"

    def test_cid_takes_a_unique_prefix(self, service, run):
        first = json.loads(run("send", "--json", "first").out)["conversation_id"]
        json.loads(run("send", "--json", "other").out)
        again = json.loads(run("send", "--json", "--cid", first[:13], "again").out)["conversation_id"]
        assert again == first
        assert service.chats[2].body["messages"][0]["content"] == "first"

    @pytest.mark.parametrize("options", [["-c"], ["--cid", "abcdef"], ["--cid", "nonsense"], ["--cid", ""]])
    def test_a_conversation_that_is_not_there_is_a_usage_error(self, service, run, options):
        result = run("send", *options, "hi")
        assert (result.code, result.out, service.chats) == (2, "", [])
        assert result.err.startswith("error: ")

    def test_title_and_tags_are_stored(self, service, run, stored):
        run("send", "--title", "My title", "--tag", "a", "--tag", "b", "hi")
        assert stored("SELECT title FROM conversations") == [("My title",)]
        assert stored("SELECT tag FROM conversation_tags ORDER BY position") == [("a",), ("b",)]

    def test_the_title_is_else_the_first_line_of_the_prompt(self, service, run, stored):
        run("send", "what is this?\nmore")
        assert stored("SELECT title FROM conversations") == [("what is this?",)]

    def test_a_refused_first_prompt_leaves_no_empty_conversation(self, service, run, stored):
        assert run("send", "--max-cost", "0", "hi").code == 4
        assert stored("SELECT * FROM conversations") == []


class TestMachineOutput:
    def test_json_prints_one_object_with_the_keys_of_the_contract(self, service, run):
        result = run("send", "--json", "--tag", "t", "hi")
        answer = json.loads(result.out, parse_float=lambda digits: pytest.fail(f"{digits} is a float"))
        assert list(answer) == ANSWER_KEYS
        assert list(answer["usage"]) == USAGE_KEYS
        assert answer["cost"] == {"usd": "0.0000045", "source": "billed", "upstream_usd": None}
        assert (answer["schema_version"], answer["content"], answer["status"]) == (1, "Hello there.", "complete")
        assert (answer["generation_id"], answer["provider"], answer["tags"]) == ("gen-1", "Stand-in", ["t"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["created_at"])
        assert result.err == ""
        assert result.out.endswith("}\n")

    def test_with_a_key_of_the_users_own_the_provider_part_is_apart(self, service, run):
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 0, "is_byok": True}
        service.scripts = [text("ok", usage={**usage, "cost_details": {"upstream_inference_cost": 1.5e-7}})]
        answer = json.loads(run("send", "--json", "hi").out)
        assert answer["cost"] == {"usd": "0", "source": "billed", "upstream_usd": "0.00000015"}

    def test_ndjson_prints_one_object_an_event(self, service, run):
        result = run("send", "--ndjson", "hi")
        lines = [json.loads(line) for line in result.out.splitlines()]
        assert [line["type"] for line in lines] == [
            "message.started",
            "token.generated",
            "token.generated",
            "message.completed",
        ]
        assert all(next(iter(line)) == "type" and line["schema_version"] == 1 for line in lines)
        assert [line["delta"] for line in lines[1:3]] == ["Hello", " there."]
        assert set(lines[-1]) == {"type", *ANSWER_KEYS}
        assert lines[-1]["cost"]["usd"] == "0.0000045"

    @pytest.mark.parametrize("option", ["--json", "--ndjson"])
    def test_an_error_is_an_object_on_stderr_too(self, service, run, option):
        service.scripts = [error(429, "slow down", headers=[("Retry-After", "7")])]
        result = run("send", option, "--retry-for", "0", "hi")
        problem = error_object(result.err)
        assert (result.code, problem["exit_code"], problem["code"]) == (8, 8, "RATE_LIMITED")
        assert (problem["message"], problem["retryable"], problem["retry_after"]) == ("slow down", True, 7)
        assert problem["cost_usd"] == "0"
        assert "error: slow down\n" in result.err

    @pytest.mark.parametrize("line", [["--json", "--bogus", "hi"], ["--ndjson", "--temperature", "9", "hi"]])
    def test_a_wrong_command_line_is_an_error_object_too(self, service, run, line):
        result = run("send", *line)
        problem = error_object(result.err)
        assert (result.code, result.out, problem["exit_code"], problem["code"]) == (2, "", 2, "USAGE")

    def test_a_partial_answer_is_an_object_with_its_status(self, service, run):
        service.scripts = [events(chunk({"content": "half an ans"}))]
        result = run("send", "--json", "--retry-for", "0", "hi")
        answer, problem = json.loads(result.out), error_object(result.err)
        assert (answer["status"], answer["content"]) == ("cut", "half an ans")
        assert (result.code, problem["exit_code"], problem["code"]) == (9, 9, "STREAM_INTERRUPTED")
        assert problem["conversation_id"] == answer["conversation_id"]
        assert (problem["retryable"], problem["cost_usd"]) == (False, answer["cost"]["usd"])

    def test_budget_events_are_lines_of_ndjson_with_plain_amounts(self, service, run):
        hung_up = threading.Event()
        service.scripts = [endless(*[" word" * 40] * 40, hung_up=hung_up)]
        result = run("send", "--ndjson", "--max-cost", "0.0001", "hi")
        lines = [json.loads(line) for line in result.out.splitlines()]
        types = [line["type"] for line in lines]
        assert result.code == 5
        assert types.count("budget.threshold") == types.count("budget.exceeded") == 1
        assert types.index("budget.threshold") < types.index("budget.exceeded") < types.index("message.completed")
        assert types[-1] == "message.completed"
        threshold = lines[types.index("budget.threshold")]
        assert threshold["limit_usd"] == "0.0001"
        assert re.fullmatch(r"0\.\d+", threshold["spent_usd"])

    def test_the_whole_answer_is_the_last_line_also_where_the_service_ended_it_at_the_cap(self, service, run):
        def script(exchange):
            paid = exchange.charge(completion_tokens=exchange.request.body["max_tokens"])
            text("as far as it goes", reason="length", usage=paid)(exchange)

        service.scripts = [script]
        lines = run("send", "--ndjson", "--max-cost", "0.0001", "hi").out.splitlines()
        assert [json.loads(line)["type"] for line in lines][-2:] == ["budget.exceeded", "message.completed"]


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "message", "fields", "code"),
        [
            (400, "some field is wrong", {}, 6),
            (400, "nothing/nowhere is not a valid model ID", {}, 6),
            (400, "This endpoint's maximum context length is 10 tokens.", {}, 11),
            (401, "User not found.", {}, 3),
            (402, "Insufficient credits", {}, 7),
            (403, "Key limit exceeded (total limit).", {}, 7),
            (403, "Forbidden", {}, 3),
            (403, "flagged", {"metadata": {"reasons": ["violence"], "flagged_input": "hi"}}, 6),
            (404, "No endpoints found", {}, 6),
            (408, "timeout", {}, 8),
            (413, "too large", {}, 6),
            (422, "unprocessable", {}, 6),
            (429, "rate limited", {}, 8),
            (500, "Internal Server Error", {}, 8),
            (502, "bad upstream", {}, 8),
            (503, "overloaded", {}, 8),
            (529, "overloaded", {}, 8),
        ],
    )
    def test_an_error_status_becomes_an_exit_code(self, service, run, stored, status, message, fields, code):
        service.scripts = [error(status, message, **fields)]
        result = run("send", "--retry-for", "0", "hi")
        assert (result.code, result.out, len(service.chats)) == (code, "", 1)
        assert re.match(r"error: .+\n(hint: .+\n)?\Z", result.err)
        assert stored("SELECT status, cost, source FROM calls") == [("failed", 0, "computed")]

    def test_the_cause_at_the_provider_is_told_where_the_message_says_nothing(self, service, run):
        metadata = {"raw": '{"error":{"message":"prompt has a curse"}}', "provider_name": "Acme"}
        service.scripts = [error(400, "Provider returned error", metadata=metadata)]
        assert run("send", "hi").err.startswith("error: Acme: prompt has a curse\n")

    def test_a_web_page_instead_of_an_answer_is_one_sentence(self, service, run):
        page = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>...</body></html>"
        service.scripts = [lambda exchange: exchange.reply(502, page, "text/html")]
        result = run("send", "--retry-for", "0", "hi")
        assert (result.code, result.out) == (8, "")
        assert "502 Bad Gateway" in result.err
        assert "<" not in result.err

    def test_a_redirect_is_not_followed_and_the_key_stays_here(self, service, run):
        location = [("Location", "http://localhost:9/api/v1/chat/completions")]
        service.scripts = [lambda exchange: exchange.reply(302, "", headers=location)]
        result = run("send", "--retry-for", "0", "hi")
        assert (result.code, result.out, len(service.chats)) == (6, "", 1)
        assert "redirects" in result.err

    def test_a_service_that_is_not_there_is_a_temporary_failure(self, service, run, stored):
        service.close()
        result = run("send", "--retry-for", "0", "hi")
        assert (result.code, result.out) == (8, "")
        assert result.err.startswith("error: can't connect to 127.0.0.1")
        assert stored("SELECT status, cost FROM calls") == [("failed", 0)]

    def test_a_temporary_failure_is_retried_and_told(self, service, run, stored):
        service.scripts = [error(503, "overloaded", headers=[("Retry-After", "0")]), text("at last")]
        result = run("send", "hi")
        assert (result.code, result.out, len(service.chats)) == (0, "at last\n", 2)
        assert re.fullmatch(r"retry: overloaded \(try 1\); trying again in 0\.\d s\n", result.err)
        assert stored("SELECT status FROM calls ORDER BY number") == [("failed",), ("complete",)]

    def test_an_error_in_mid_stream_keeps_what_came(self, service, run, stored):
        failing = chunk(finish_reason="error", error={"code": 502, "message": "upstream died"})
        service.scripts = [events(chunk({"content": "The answer "}), chunk({"content": "is"}), failing)]
        result = run("send", "hi")
        assert (result.code, result.out, len(service.chats)) == (9, "The answer is\n", 1)
        assert result.err.startswith("error: the answer broke off: upstream died\n")
        assert stored("SELECT content, status FROM messages WHERE role = 'assistant'") == [("The answer is", "cut")]
        ((cost, source),) = stored("SELECT cost, source FROM calls")
        assert (cost, source) == (None, "unsettled")

    @pytest.mark.parametrize("orderly", [True, False])
    def test_a_stream_without_its_end_is_incomplete(self, service, run, stored, orderly):
        def script(exchange):
            exchange.begin_stream()
            exchange.delta("half")
            if orderly:
                exchange.end()

        service.scripts = [script]
        result = run("send", "hi")
        assert (result.code, result.out, len(service.chats)) == (9, "half\n", 1)
        assert stored("SELECT content, status FROM messages WHERE role = 'assistant'") == [("half", "cut")]

    def test_done_makes_a_broken_connection_harmless(self, service, run):
        def script(exchange):
            exchange.begin_stream()
            exchange.delta("whole")
            exchange.event("[DONE]")

        service.scripts = [script]
        result = run("send", "hi")
        assert (result.code, result.out) == (0, "whole\n")

    def test_a_stall_ends_by_the_idle_timeout(self, service, run, stored):
        hung_up = threading.Event()
        service.scripts = [endless("first", hung_up=hung_up)]
        result = run("send", "--idle-timeout", "0.2", "hi")
        assert (result.code, result.out) == (9, "first\n")
        assert result.err.startswith("error: the service sent nothing for 0.2 seconds")
        assert hung_up.wait(5)
        assert stored("SELECT status FROM calls") == [("cut",)]

    def test_an_answer_that_takes_too_long_ends_by_the_timeout(self, service, run):
        hung_up = threading.Event()
        service.scripts = [endless("first", hung_up=hung_up)]
        result = run("send", "--timeout", "0.3", "hi")
        assert (result.code, result.out) == (9, "first\n")
        assert result.err.startswith("error: the answer was not complete after 0.3 seconds")

    @pytest.mark.parametrize("reason", ["length", "content_filter"])
    def test_a_truncated_answer_is_told_apart(self, service, run, stored, reason):
        service.scripts = [text("too lo", reason=reason)]
        result = run("send", "hi")
        assert (result.code, result.out) == (10, "too lo\n")
        assert result.err == f"note: the answer was truncated ({reason}); --allow-truncated accepts that\n"
        assert stored("SELECT status FROM calls") == [("truncated",)]
        allowed = run("send", "--allow-truncated", "hi")
        assert (allowed.code, allowed.out, allowed.err) == (0, "too lo\n", "")

    def test_a_partial_answer_is_followed_by_a_note_when_the_conversation_goes_on(self, service, run):
        service.scripts = [events(chunk({"content": "half"})), text("ok")]
        assert run("send", "first").code == 9
        run("send", "-c", "go on")
        contents = [message["content"] for message in service.chats[1].body["messages"]]
        assert contents[1] == "half"
        assert "incomplete" in contents[2]
        assert contents[3] == "go on"

    def test_input_beyond_the_window_is_refused_without_a_request(self, service, run, stored):
        result = run("send", "-m", "small/window", stdin="word " * 9000)
        assert (result.code, result.out, service.chats) == (11, "", [])
        assert result.err.startswith("error: the input does not fit the window of small/window: 4,096 tokens\nhint: ")
        assert stored("SELECT * FROM calls") == []


class TestBudgets:
    def test_the_ceiling_becomes_a_cap_and_highest_prices(self, service, run):
        result = run("send", "--max-cost", "0.001", "hi")
        body = sent(service)
        assert result.code == 0
        assert body["provider"]["max_price"] == {"prompt": "0.15", "completion": "0.6", "request": "0"}
        cap = body["max_tokens"]
        assert 1500 < cap < 1667
        assert cap * Decimal("0.0000006") < Decimal("0.001")

    def test_a_cap_that_had_to_shrink_is_told_and_one_that_did_not_is_not(self, service, run):
        result = run("send", "--max-cost", "0.001", "hi")
        cap = sent(service)["max_tokens"]
        assert result.err == f"budget: the answer is limited to {cap:,} tokens, which is what the budget pays for\n"
        assert run("send", "--max-cost", "0.001", "--max-tokens", "20", "hi").err == ""

    def test_the_users_own_smaller_cap_stays(self, service, run):
        run("send", "--max-cost", "1", "--max-tokens", "100", "hi")
        assert sent(service)["max_tokens"] == 100

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            (["--max-cost", "0.000001"], "and this prompt with an answer of 16 tokens may cost"),
            (["--max-cost", "0"], "and this prompt with an answer of 16 tokens may cost"),
            (["--max-cost", "1", "-m", "router/auto"], "depends on routing"),
            (["--max-cost", "1", "-m", "not/listed"], "the price of not/listed is not known"),
            (["--max-cost", "1", "--fallback", "not/listed"], "the price of not/listed is not known"),
            (["--max-cost", "1", "-o", "plugins", '[{"id":"web"}]'], "'plugins' may add charges"),
            (["--max-cost", "1", "-m", f"{MODEL}:online"], "may cost more than its list price"),
        ],
    )
    def test_what_does_not_fit_or_cannot_be_bounded_is_refused_unsent(self, service, run, stored, options, reason):
        result = run("send", "--json", *options, "hi")
        assert (result.code, result.out, service.chats) == (4, "", [])
        assert reason in result.err.splitlines()[0]
        problem = error_object(result.err)
        assert (problem["exit_code"], problem["retryable"], problem["cost_usd"]) == (4, False, None)
        assert stored("SELECT * FROM calls") == []

    def test_an_answer_that_grows_beyond_the_ceiling_is_stopped_and_kept(self, service, run, stored):
        hung_up = threading.Event()
        service.scripts = [endless(*[" word" * 40] * 40, hung_up=hung_up)]
        result = run("send", "--max-cost", "0.0001", "hi")
        assert result.code == 5
        assert hung_up.wait(5)
        assert len(re.findall(r"budget: \d+% of \$0\.0001 used \(\$[\d.]+\)\n", result.err)) == 1
        assert len(re.findall(r"budget: the answer was stopped at \$[\d.]+ of \$0\.0001\n", result.err)) == 1
        assert "error: " in result.err
        ((content, status),) = stored("SELECT content, status FROM messages WHERE role = 'assistant'")
        assert status == "stopped"
        assert result.out == content + "\n"
        assert 160 * 5 <= len(content) < 40 * 40 * 5

    def test_an_answer_that_ends_at_the_cap_was_stopped_by_the_budget(self, service, run, stored):
        def script(exchange):
            paid = exchange.charge(completion_tokens=exchange.request.body["max_tokens"])
            text("as far as it goes", reason="length", usage=paid)(exchange)

        service.scripts = [script]
        result = run("send", "--max-cost", "0.0001", "hi")
        assert (result.code, result.out) == (5, "as far as it goes\n")
        assert "budget: the answer was stopped" in result.err
        assert stored("SELECT status FROM calls") == [("stopped",)]

    def test_an_answer_that_ends_long_before_the_cap_was_not(self, service, run):
        service.scripts = [text("as far as it goes", reason="length")]
        assert run("send", "--max-cost", "0.0001", "hi").code == 10
        assert run("send", "--max-cost", "0.0001", "--allow-truncated", "hi").code == 0

    def test_a_whole_answer_that_was_charged_beyond_the_ceiling_is_no_stop(self, service, run):
        usage = {"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110, "cost": 0.00012}
        service.scripts = [text("ok", usage=usage)]
        result = run("send", "--max-cost", "0.0001", "hi")
        assert (result.code, result.out) == (0, "ok\n")
        assert "budget: exceeded, $0.00012 of $0.0001 used" in result.err
        assert "stopped" not in result.err

    def test_the_threshold_is_told_once(self, service, run):
        usage = {"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110, "cost": 0.00009}
        service.scripts = [text("ok", usage=usage)]
        result = run("send", "--max-cost", "0.0001", "--max-tokens", "100", "hi")
        assert (result.code, result.out) == (0, "ok\n")
        assert result.err == "budget: 90% of $0.0001 used ($0.00009)\n"

    def test_a_budget_for_the_day_counts_what_was_spent_before(self, service, run, monkeypatch):
        monkeypatch.setenv("NEURALTERM_BUDGET_DAY", "0.001")
        usage = {"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110, "cost": 0.000995}
        service.scripts = [text("ok", usage=usage)]
        assert run("send", "--max-tokens", "100", "hi").code == 0
        result = run("send", "--max-tokens", "100", "hi")
        assert (result.code, len(service.chats)) == (4, 1)
        assert result.err.startswith("error: refused by the day budget of $0.001: $0.000005")

    def test_a_refusal_is_not_retried_and_needs_no_second_look_at_the_prices(self, service, run):
        assert run("send", "--max-cost", "0.000001", "hi").code == 4
        assert run("send", "--max-cost", "0.000001", "hi").code == 4
        assert [request.path for request in service.requests] == ["/api/v1/models"]


class TestCredentials:
    def test_without_a_key_nothing_is_asked(self, service, run, monkeypatch):
        monkeypatch.delenv("OPENROUTER_API_KEY")
        result = run("send", "hi")
        assert (result.code, result.out, service.requests) == (3, "", [])
        assert result.err.startswith("error: there is no API key\nhint: ")

    def test_the_key_goes_to_the_service_and_nowhere_else(self, service, run, tmp_path):
        echoing = error(401, f"the key {KEY} is not valid")
        service.scripts = [text("ok"), echoing, chunk_error(KEY)]
        results = [run("--debug", "send", *options, "hi") for options in (["-u"], ["--json"], ["--json"])]
        assert [result.code for result in results] == [0, 3, 6]
        assert service.chats[0].headers["authorization"] == f"Bearer {KEY}"
        assert not any(KEY in result.out + result.err for result in results)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert files
        assert not any(KEY.encode() in path.read_bytes() for path in files)


def chunk_error(words):
    """Return a script: an error under status 200 that repeats these words."""
    return events({"error": {"code": 400, "message": f"you sent {words}"}})


def test_reasoning_is_in_the_json_and_not_in_the_answer(service, run):
    service.scripts = [events(chunk({"reasoning": "hm. "}), chunk({"content": "yes"}), "[DONE]")]
    result = run("send", "--json", "hi")
    answer = json.loads(result.out)
    assert (answer["reasoning"], answer["content"]) == ("hm. ", "yes")
    plain = run("send", "hi")
    assert (plain.out, plain.err) == ("yes\n", "")


def test_deltas_are_written_as_they_come_also_into_a_pipe(service, start):
    gate = threading.Event()
    service.scripts = [held(["first"], gate, [" second"])]
    process = start("send", "hi")
    assert process.stdout.read(5) == b"first"
    assert process.poll() is None
    gate.set()
    assert process.stdout.read() == b" second\n"
    assert (process.wait(), process.stderr.read()) == (0, b"")


def test_an_event_is_printed_when_it_happens(service, start):
    gate = threading.Event()
    service.scripts = [held([], gate, ["late"])]
    process = start("send", "--ndjson", "hi")
    assert json.loads(process.stdout.readline())["type"] == "message.started"
    gate.set()
    assert [json.loads(line)["type"] for line in process.stdout] == ["token.generated", "message.completed"]
    assert process.wait() == 0


class TestLostHistory:
    """The history breaks while the answer comes: the answer was paid for, and must not look like a failure."""

    @pytest.fixture
    def breaking(self, service, data_dir):
        gone = []

        def script(exchange):
            exchange.begin_stream()
            exchange.delta("the ")
            if not gone:
                connection = sqlite3.connect(os.path.join(data_dir, "neuralterm.db"))
                with connection:
                    connection.execute("DROP TABLE journal")
                    connection.execute("ALTER TABLE messages RENAME TO moved")
                connection.close()
                gone.append(True)
            for _ in range(3):
                exchange.delta("whole ")
            exchange.delta("answer")
            exchange.finish()

        service.scripts = [script]

    @pytest.mark.parametrize("options", [[], ["-c"], ["--json"]])
    def test_the_answer_is_delivered_with_exit_0_and_one_warning(self, service, run, breaking, options):
        scripts, service.scripts = service.scripts, [text("before")]
        run("send", "before")
        service.scripts = scripts
        result = run("send", *options, "hi")
        assert result.code == 0
        assert "the whole whole whole answer" in result.out
        assert result.err.count("warning: the local history could not be written") == 1
        assert "error" not in result.err


@pytest.mark.parametrize("options", [["-c", "--cid", "abc"], ["--json", "--ndjson"]])
def test_options_that_contradict_each_other_are_refused(service, run, options):
    result = run("send", *options, "hi")
    assert result.code == 2
    assert "exclude each other" in result.err
    assert service.requests == []

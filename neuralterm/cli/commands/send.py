"""`neuralterm send`: one prompt in, one answer out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.options import DecimalType, json_option, pass_container

if TYPE_CHECKING:
    from neuralterm.application.records import Answer
    from neuralterm.application.sending import SendRequest
    from neuralterm.components.answer_view import AnswerView
    from neuralterm.container import Container

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("words", nargs=-1, metavar="[PROMPT]...")
@click.option("-m", "--model", metavar="ID", help="Which model answers.")
@click.option("-s", "--system", metavar="TEXT", help="The system prompt.")
@click.option("-f", "--file", "files", multiple=True, metavar="PATH", help="A text file for the prompt; - is stdin.")
@click.option("-c", "--continue", "continue_last", is_flag=True, help="Go on with the last conversation.")
@click.option("--cid", metavar="ID", help="Go on with this conversation (id or unique beginning of it).")
@click.option("--title", metavar="TEXT", help="The conversation's title.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Attach a tag to call and conversation.")
@click.option("-o", "--option", "pairs", type=(str, str), multiple=True, metavar="KEY VALUE", help="A request field.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="Sampling temperature.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest answer in tokens.")
@click.option("--max-cost", type=DecimalType(), metavar="USD", help="Ceiling for this invocation: it can't cost more.")
@click.option("--schema", metavar="FILE|JSON", help="Answer as JSON by this JSON Schema.")
@click.option("--fallback", "fallbacks", multiple=True, metavar="ID", help="A model to use if the first can't answer.")
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="Only these providers may answer.")
@click.option("--reasoning", type=click.Choice(EFFORTS), help="How hard to think.")
@click.option("-R", "--hide-reasoning", is_flag=True, help="Don't show the reasoning on the terminal.")
@click.option("-x", "--extract", is_flag=True, help="Print only the first fenced code block.")
@click.option("-u", "--usage", is_flag=True, help="Say tokens and cost on stderr.")
@json_option
@click.option("--ndjson", is_flag=True, help="Print one JSON object per event.")
@click.option("--no-stream", is_flag=True, help="Ask for the answer in one piece and print it at the end.")
@click.option("--retry-for", type=click.FloatRange(0), metavar="SECONDS", help="How long to retry; 0 tries once.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Limit for the whole answer."
)
@click.option("--idle-timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Longest silence.")
@click.option("--allow-truncated", is_flag=True, help="Exit 0 for an answer that was cut at its length limit.")
@click.option("-q", "--quiet", is_flag=True, help="Leave only errors on stderr.")
@pass_container
def command(container: Container, /, **given: Any) -> int:
    """Send PROMPT, stdin or both (stdin first) and print the answer.

    \b
    git diff | neuralterm send "write a commit message"
    neuralterm send -m openai/gpt-4o --max-cost 0.02 "why is the sky blue?"
    """
    from neuralterm.application.sending import send
    from neuralterm.cli.exit_codes import exit_code_of_answer

    _configure(container, given)
    view = _view(container, given)
    request = _request(container, given)
    try:
        answer = container.run(send, request, container.orchestrator, container.repository, view.delta)
    finally:
        view.close(container.last_answer)
    _say_the_rest(container, answer, given)
    return exit_code_of_answer(answer.status, allow_truncated=given["allow_truncated"])


def _configure(container: Container, given: dict[str, Any]) -> None:
    if given["quiet"]:
        container.console.quiet = True
    container.machine_errors = given["as_json"] or given["ndjson"]
    container.override(
        max_cost=given["max_cost"],
        timeout=given["timeout"],
        idle_timeout=given["idle_timeout"],
        retry_for=given["retry_for"],
    )
    container.notices.show_reasoning = not given["hide_reasoning"]


def _view(container: Container, given: dict[str, Any]) -> AnswerView:
    from neuralterm.components.answer_view import JsonView, NdjsonView, TextView

    if given["ndjson"]:
        view = NdjsonView(container.console)
        for event_type in view.TYPES:
            container.bus.subscribe(event_type, view)
        return view
    if given["as_json"]:
        return JsonView(container.console)
    return TextView(container.console, at_once=given["no_stream"], extract=given["extract"])


def _request(container: Container, given: dict[str, Any]) -> SendRequest:
    from neuralterm.application.records import SendOptions
    from neuralterm.application.sending import SendRequest
    from neuralterm.cli.request_options import request_fields, take_number
    from neuralterm.cli.stdin import compose_prompt

    settings = container.settings
    fields = request_fields(
        given["pairs"], schema=given["schema"], reasoning=given["reasoning"], providers=given["providers"]
    )
    max_tokens = take_number(fields, "max_tokens", given["max_tokens"])
    temperature = take_number(fields, "temperature", given["temperature"])
    options = SendOptions(
        max_tokens=take_number(fields, "max_completion_tokens", max_tokens),
        extra=fields,
        fallbacks=given["fallbacks"],
        stream=not given["no_stream"],
        model=given["model"],
        system_prompt=given["system"],
        tags=tuple(dict.fromkeys((*given["tags"], *settings.tags))),
        run_id=settings.run_id,
        retry_for=settings.retry_for,
    )
    return SendRequest(
        prompt=compose_prompt(given["words"], given["files"], container.console),
        options=options,
        temperature=temperature,
        continue_last=given["continue_last"],
        conversation=given["cid"],
        title=given["title"],
        default_model=settings.model,
    )


def _say_the_rest(container: Container, answer: Answer, given: dict[str, Any]) -> None:
    from neuralterm.components.answer_notes import notes_on, usage_line

    for note in notes_on(answer, truncation_allowed=given["allow_truncated"]):
        container.console.note(note, fg="yellow")
    if given["usage"]:
        container.console.note(usage_line(answer), dim=True)

"""Whole conversations as one page of HTML: nothing in it runs, and nothing is loaded from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt

from neuralterm.application.history import Transcript
from neuralterm.components.attachments_view import attachment_lines
from neuralterm.components.foreign_text import visible
from neuralterm.components.history_view import facts_of, heading_of
from neuralterm.domain.models import Message, MessageRole
from neuralterm.domain.text import one_line

_LINKED = ("http://", "https://", "mailto:")
# Whatever slipped through, a browser would neither run nor load it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1d; --paper: #fcfcfa; --dim: #66666e; --panel: #f0f0ec; --line: #d9d9d4;
  --link: #0b57a4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e4e2; --paper: #18181a; --dim: #9a9aa2; --panel: #242427;
  --line: #3a3a3f; --link: #8ab8f0; } }
body { margin: 0 auto; max-width: 46rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 2.5rem 0 0; }
h2 { font-size: .85rem; font-weight: 600; color: var(--dim); margin: 0 0 .5rem; }
.facts { color: var(--dim); font-size: .85rem; margin: .25rem 0 1.5rem; }
section { border-top: 1px solid var(--line); padding: 1rem 0; }
section.user { background: var(--panel); border: 0; border-radius: .5rem; padding: 1rem; }
section.user + section { border: 0; }
section.withdrawn { opacity: .55; }
.plain { white-space: pre-wrap; }
pre { background: var(--panel); border-radius: .35rem; overflow-x: auto; padding: .75rem; }
code { font: .9em/1.45 ui-monospace, monospace; }
a { color: var(--link); }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border: 1px solid var(--line); padding: .25rem .5rem; text-align: start; }
blockquote { border-inline-start: .2rem solid var(--line); color: var(--dim); margin-inline: 0; padding-inline-start: 1rem; }
details { color: var(--dim); margin: 0 0 .75rem; }
"""


def page(transcripts: Sequence[Transcript]) -> str:
    """Return the conversations as one page that needs nothing else. Answers are rendered as the Markdown that they are."""
    markdown = _renderer()
    title = one_line(transcripts[0].conversation.title or "Untitled") if len(transcripts) == 1 else "Conversations"
    bodies = "\n".join(_conversation(transcript, markdown) for transcript in transcripts)
    return (
        '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{bodies}\n</body>\n</html>"
    )


def _conversation(transcript: Transcript, markdown: MarkdownIt) -> str:
    conversation = transcript.conversation
    title, facts = one_line(conversation.title or "Untitled"), f"{conversation.id}, {facts_of(transcript)}"
    head = f'<h1 dir="auto">{_text(title)}</h1>\n<p class="facts">{_text(facts)}</p>'
    messages = (_message(number, message, markdown) for number, message in enumerate(transcript.messages, 1))
    return "\n".join(["<article>", head, *messages, "</article>"])


def _message(number: int, message: Message, markdown: MarkdownIt) -> str:
    kind = message.role.value + (" withdrawn" if message.withdrawn_at else "")
    parts = [f'<section class="{kind}">', f"<h2>{number} {_text(heading_of(message))}</h2>"]
    if message.reasoning:
        parts.append(
            f'<details><summary>reasoning</summary><div class="plain">{_text(message.reasoning)}</div></details>'
        )
    if message.role is MessageRole.ASSISTANT:
        parts.append(f'<div dir="auto">{markdown.render(visible(message.content))}</div>')
    else:
        parts.append(f'<div class="plain" dir="auto">{_text(message.content.strip(chr(10)))}</div>')
    if attached := attachment_lines(message):
        parts.append(f'<p class="facts">{_text(chr(10).join(attached))}</p>')
    return "\n".join([*parts, "</section>"])


def _text(text: str) -> str:
    return escape(visible(text))


class _Markdown(MarkdownIt):
    """Markdown without tags of its own; what is neither the web nor mail stays text."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        """Say whether there may be a link to this address."""
        return url.strip().lower().startswith(_LINKED)


def _renderer() -> MarkdownIt:
    markdown = _Markdown("commonmark", {"html": False}).enable(["table", "strikethrough"])
    markdown.add_render_rule("image", _image)
    markdown.add_render_rule("link_open", _link)
    return markdown


def _image(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    """Write a link in the place of an image, which would be loaded."""
    token = tokens[index]
    source = str(token.attrs["src"])
    label = renderer.renderInlineAsText(token.children, options, env) or source
    return f'<a rel="noopener noreferrer" href="{escape(source)}">{escape(label)}</a>'


def _link(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer")
    return str(renderer.renderToken(tokens, index, options, env))

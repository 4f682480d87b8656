import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.history import Transcript
from neuralterm.components.history_export import exported
from neuralterm.components.history_html import page
from neuralterm.domain.models import Conversation, Message, MessageRole
from neuralterm.domain.record import replace

ALLOWED = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "article",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "p",
        "div",
        "section",
    ),
    *("details", "summary", "a", "em", "strong", "s", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "br"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


class Reader(HTMLParser):
    """Collects tags, attributes and text; fails on anything that could run or be loaded."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert tag in ALLOWED, tag
        self.tags.append(tag)
        for name, value in attrs:
            assert name in {
                *("charset", "http-equiv", "content", "name", "class", "dir", "href", "rel", "style", "start", "title"),
            }, name
            if name == "href":
                assert value.lower().startswith(("http://", "https://", "mailto:")), value
                self.links.append(value)

    def handle_data(self, data):
        self.text += data


def a_talk(answer="It *scatters*.", question="why?", **fields):
    conversation = Conversation(**{"title": "Sky"} | fields)
    messages = [
        Message(conversation_id=conversation.id, content=question),
        Message(conversation_id=conversation.id, role=MessageRole.ASSISTANT, content=answer, model_id="a/b"),
    ]
    return Transcript(conversation, messages)


def read(answer, **fields):
    return Reader(page([a_talk(answer, **fields)]))


def test_an_answer_is_rendered_and_a_question_is_text():
    text = page([a_talk("Use `x`:\n\n```python\nif a < b:\n    pass\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |", "*no*")])

    assert '<pre><code class="language-python">if a &lt; b:\n    pass\n</code></pre>' in text
    assert "<td>1</td>" in text
    assert "*no*" in text
    assert "<title>Sky</title>" in text
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://evil.example/pixel.png)",
        "![x](data:image/png;base64,AAAA)",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>1</script>)",
        "[x](vbscript:x) [y](file:///etc/passwd) [z](//evil.example)",
        "[x]( javascript:alert(1))",
        "<javascript:alert(1)>",
        "[x][1]\n\n[1]: javascript:alert(1)",
        "</div></section><style>*{}</style>",
        '```"><script>alert(1)</script>\ncode\n```',
        "\x1b]0;title\x07",
    ],
)
def test_nothing_hostile_comes_through(hostile):
    text = page([a_talk(hostile, hostile, title=hostile, model_id=hostile, tags=(hostile,))])

    reader = Reader(text)
    assert reader.tags.count("style") == 1
    assert "script" not in reader.tags
    assert "\x1b" not in text
    assert set(reader.links) <= {"https://evil.example/pixel.png"}


def test_links_go_to_the_web_and_to_mail():
    reader = read("[a](https://x.example/?q=1&r=2) <mailto:me@x.example> [b](HTTP://y.example)")

    assert reader.links == ["https://x.example/?q=1&r=2", "mailto:me@x.example", "HTTP://y.example"]
    assert all("noopener" in tag for tag in re.findall("<a [^>]*>", page([a_talk("[a](https://x.example)")])))


def test_an_image_becomes_a_link():
    assert "the sea" in read("![the *sea*](https://x.example/a.png)").text


def test_withdrawn_messages_and_reasoning_are_marked():
    talk = a_talk()
    messages = [replace(each, withdrawn_at=each.created_at, reasoning="hm <b>") for each in talk.messages]

    text = page([Transcript(talk.conversation, messages)])

    assert text.count(' withdrawn">') == 2
    assert "<details><summary>reasoning</summary>" in text
    assert "hm &lt;b&gt;" in text


def test_several_conversations_are_one_page():
    (text,) = exported([a_talk(), a_talk(title="Sea")], "html")

    assert text.count("<article>") == text.count("<h1 ") == 2
    assert text.count("<!DOCTYPE html>") == 1


@given(st.text(alphabet=st.sampled_from("<>&\"'[]()!`*_#|-: \njavscript:hp/x\u202e\x00")))
def test_any_text_stays_within_the_page(text):
    Reader(page([a_talk(text, text, title=text)]))

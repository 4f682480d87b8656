import pytest

from neuralterm.components.code_block import first_code_block


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("```\na\n```", "a"),
        ("so:\n\n~~~ py\na\n~~~\n```\nb\n```", "a"),
        ("````md\n```py\na\n```\n````\n", "```py\na\n```"),
        ("```\n```py\n~~~\n`````", "```py\n~~~"),
        ("1. first:\n\n   ```sh\n   a \\\n     b\n\n   ```\n", "a \\\n  b\n"),
        ("- ```sh\n  a\n  ```\n", "a"),
        ("```a``` and `b`\n\n```\nc\n```", "c"),
        ("```\r\na\r\nb\r\n```\r\n", "a\nb"),
        ("```\na\u2028b\x0cc\n```", "a\u2028b\x0cc"),
        ("```\n```\nmore", ""),
        ("```\nbroken o", "broken o"),
        ("no `code` to speak of", None),
        ("", None),
    ],
)
def test_the_first_block_is_taken_out(text, inside):
    assert first_code_block(text) == inside

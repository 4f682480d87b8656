"""The examples of a page of the documentation, and how they are run.

A block whose first line is a comment with the name of a file (`# ask.sh`) is that file. A `console` block has commands after
`$ ` and what they print, a `sh` block commands that succeed, a `python` block code that prints what the `text` block behind
it says, if there is one. A `toml` block is a user file that is taken without complaint. Of a `yaml` block, which a CI service
runs, the lines that call neuralterm have to succeed. What can't be run, such as a dialogue at a terminal, is a `text` block.
"""

import re
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^```([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"\A(?:#!.*\n)?# ((?:~/)?[\w./-]+\.[a-z]+)\n")
_CALL = re.compile(r"^ +(?:- )?(?:run: )?(neuralterm .*)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: its language, and what is inside."""

    language: str
    body: str

    @property
    def file_name(self):
        """The file that the block shows; None for what is to be run."""
        found = _FILE_NAME.match(self.body)
        return found and found[1]

    @property
    def calls(self):
        """The lines of a CI job that call neuralterm, as a script."""
        return "\n".join(_CALL.findall(self.body))


def blocks_of(text):
    """Return the fenced blocks of a page that name their language."""
    return [Block(*found) for found in _BLOCK.findall(text)]


def blocks(language, text):
    """Return the insides of the fenced blocks of a language."""
    return [block.body for block in blocks_of(text) if block.language == language]


def transcript(block):
    """Return the script that prints a block of commands after `$ ` and their output, when all is as the block says."""
    lines = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    ran = "\n".join(f"(exit $code); cat <<'END'\n$ {line}\nEND\n(exit $code)\n{line}\ncode=$?" for line in lines)
    return f"code=0\n{ran}"


def write_file(block, folder: Path, home: Path):
    """Write the file that a block shows into the folder, or where its name says below `~`."""
    name = block.file_name
    path = home / name.removeprefix("~/") if name.startswith("~/") else folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.body, encoding="utf-8")
    path.chmod(0o755)

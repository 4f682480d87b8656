"""Other programs that do the same request, where they are installed."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from rig import Rig
from running import Program

_OPENAI = """
import sys
from openai import OpenAI
client = OpenAI(base_url=sys.argv[1], api_key="key")
messages = [{"role": "user", "content": sys.argv[2]}]
for part in client.chat.completions.create(model="openai/gpt-4o-mini", messages=messages, stream=True):
    if part.choices and part.choices[0].delta.content:
        print(part.choices[0].delta.content, end="", flush=True)
print()
"""
NAMES = ("curl", "llm", "openai SDK")


def peers(rig: Rig, prompt: str) -> list[Program]:
    """Return those that are there, with the prompt, if they are wished for."""
    found = (find(rig, name, prompt) for name in NAMES if rig.peers)
    return [program for program in found if program is not None]


def absent(rig: Rig) -> Iterator[str]:
    """Yield the names of those that are wished for and not there."""
    return (name for name in NAMES if rig.peers and find(rig, name, "one") is None)


def find(rig: Rig, name: str, prompt: str) -> Program | None:
    """Return a program that sends the prompt, None where it is not installed."""
    url = f"http://127.0.0.1:{rig.port}/api/v1"
    if name == "curl" and (curl := shutil.which("curl")):
        return Program(name, _curl(curl, url, prompt), rig.home("curl"))
    if name == "llm" and (llm := shutil.which("llm")):
        return Program(name, [llm, "-m", "bench", prompt], rig.home("llm"), _llm_settings(rig.home("llm"), url))
    if name == "openai SDK" and importlib.util.find_spec("openai"):
        return rig.python("-c", _OPENAI, url, prompt, name=name)
    return None


def _curl(curl: str, url: str, prompt: str) -> list[str]:
    request = {"model": "openai/gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    headers = ["-H", "Content-Type: application/json", "-H", "Authorization: Bearer key"]
    return [curl, "-sSN", "--fail", *headers, "-d", json.dumps(request), f"{url}/chat/completions"]


def _llm_settings(folder: Path, url: str) -> dict[str, str]:
    model = f'- model_id: bench\n  model_name: openai/gpt-4o-mini\n  api_base: "{url}"\n  api_key_name: bench\n'
    (folder / "extra-openai-models.yaml").write_text(model, encoding="utf-8")
    (folder / "keys.json").write_text('{"bench": "key"}', encoding="utf-8")
    return {"LLM_USER_PATH": str(folder)}

"""Tool calls that arrive in fragments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuralterm.domain.text import join_surrogates


class ToolCalls:
    """Puts the fragments of tool calls together: the first one names the call, later ones add to its arguments."""

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, Any]] = {}
        self._latest = 0

    def absorb(self, fragments: object) -> None:
        """Take the `tool_calls` of a delta or a message; anything but a list of objects is ignored."""
        for fragment in fragments if isinstance(fragments, list) else ():
            if isinstance(fragment, Mapping):
                self._absorb_one(fragment)

    def as_list(self) -> list[dict[str, Any]] | None:
        """Return the calls in the form in which a request sends them back; None when there are none."""
        if not self._calls:
            return None
        return [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": join_surrogates("".join(call["arguments"]))},
            }
            for _, call in sorted(self._calls.items())
        ]

    def _absorb_one(self, fragment: Mapping[str, Any]) -> None:
        call = self._calls.setdefault(self._index(fragment), {"id": "", "name": "", "arguments": []})
        function = fragment.get("function")
        function = function if isinstance(function, Mapping) else {}
        call["id"] = call["id"] or _string(fragment.get("id"))
        call["name"] = call["name"] or _string(function.get("name"))
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            call["arguments"].append(arguments)

    def _index(self, fragment: Mapping[str, Any]) -> int:
        index = fragment.get("index")
        if not isinstance(index, int):
            index = self._index_of_id(_string(fragment.get("id")))
        self._latest = index
        return index

    def _index_of_id(self, call_id: str) -> int:
        """Without an index, an id not seen before begins the next call, and none continues the latest."""
        if not call_id:
            return self._latest
        known = (index for index, call in self._calls.items() if call["id"] == call_id)
        return next(known, len(self._calls))


def _string(value: object) -> str:
    return join_surrogates(value) if isinstance(value, str) else ""

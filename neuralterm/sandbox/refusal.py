"""How the service says no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ServiceRefusedError(Exception):
    """A reply with an HTTP status other than 200. `headers` go out with it, `metadata` into its body."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.metadata = metadata
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Return the error object as the service shapes it."""
        error: dict[str, Any] = {"message": self.message, "code": self.status}
        if self.metadata is not None:
            error["metadata"] = dict(self.metadata)
        return {"error": error}

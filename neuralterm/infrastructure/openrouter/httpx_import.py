"""httpx, imported without its command-line program."""

import sys

# `import httpx` also imports its own program, and with it rich where that is installed: 40 ms for nothing. A None entry
# makes that import fail, for which httpx is prepared; the entry goes away again for whoever wants the program.
_blocked = "httpx._main" not in sys.modules
if _blocked:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # None is how the import system marks a blocked module

import httpx  # noqa: E402  # has to follow the block

if _blocked:
    del sys.modules["httpx._main"]

__all__ = ["httpx"]

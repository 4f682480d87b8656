"""An OpenRouter-compatible server on loopback, for trying and testing without key, network or money.

`running_sandbox` starts one beside the caller; `neuralterm.sandbox.server.SandboxServer` is the server itself;
`python -m neuralterm.sandbox` serves until it is stopped. Importing this package loads neither anyio nor h11.
"""

from neuralterm.sandbox.embedded import running_sandbox

__all__ = ["running_sandbox"]

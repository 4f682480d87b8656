"""What all measurements need: the installed copy, the server, homes for the programs, and how much is measured."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from installed import Installation, install
from running import Program, output_of

HERE = Path(__file__).resolve().parent
NEURALTERM, MINIMAL = "neuralterm", "minimal script"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; the promises are about the values that are set here."""

    deltas: int = 200_000
    paced_deltas: int = 200
    few_messages: int = 1_000
    many_messages: int = 1_000_000
    parallel: int = 64
    models: int = 413
    text_bytes: int = 1_000_000


QUICK = Sizes(
    deltas=2_000, paced_deltas=40, few_messages=20, many_messages=200, parallel=4, models=60, text_bytes=20_000
)


@dataclass(frozen=True, slots=True)
class Rig:
    """Everything that is there while it is measured. `arrivals` is the file in which the server notes requests."""

    folder: Path
    installation: Installation
    port: int
    arrivals: Path
    sizes: Sizes
    rounds: int
    peers: bool

    def neuralterm(self, *arguments: str, home: str = "home", name: str = NEURALTERM) -> Program:
        """Return a command line of the installed copy; each home has a database of its own."""
        service = {
            "OPENROUTER_API_KEY": "sk-or-v1-bench",
            "OPENROUTER_BASE_URL": f"http://127.0.0.1:{self.port}/api/v1",
        }
        return Program(name, [str(self.installation.script), *arguments], self.home(home), service)

    def python(self, *arguments: str, name: str) -> Program:
        """Return a command line of the interpreter that neuralterm is installed for."""
        return Program(name, [str(self.installation.python), *arguments], self.home("home"))

    def minimal(self, prompt: str) -> Program:
        """Return the minimal script with a prompt."""
        return self.python(str(HERE / "minimal.py"), str(self.port), prompt, name=MINIMAL)

    def home(self, name: str) -> Path:
        """Return a folder that is some program's home."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder


@contextlib.contextmanager
def rigged(folder: Path, sizes: Sizes, rounds: int, *, peers: bool) -> Iterator[Rig]:
    """Install, serve, and clear away the server in the end."""
    installation = install(folder / "environment")
    models, arrivals = folder / "models.json", folder / "arrivals"
    listing = Program("listing.py", [str(installation.python), str(HERE / "listing.py"), str(sizes.models)], folder)
    models.write_text(output_of(listing), encoding="utf-8")
    serve = [sys.executable, str(HERE / "server.py"), str(models), str(arrivals)]
    with subprocess.Popen(serve, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            yield Rig(folder, installation, int(server.stdout.readline()), arrivals, sizes, rounds, peers)
        finally:
            server.kill()

"""A copy of neuralterm as users have it: in an environment's site-packages, compiled, with pip's console script."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "neuralterm"

# What pip 26 writes; `{python}` is the interpreter.
_CONSOLE_SCRIPT = """#!{python}
import sys
from neuralterm.__main__ import main
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit(main())
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the interpreter and the console script of an environment are."""

    python: Path
    script: Path


def install(folder: Path) -> Installation:
    """Make an environment in a new folder, with the present one's dependencies and a copy of the package.

    The dependencies are links. What the present environment runs at every start (`.pth` files: the finder of an editable
    installation, coverage) is left out: it is not there where a program is installed for use.
    """
    # In processes of their own: what they take of memory would be the least that can be measured of others.
    subprocess.run([sys.executable, "-m", "venv", "--symlinks", "--without-pip", str(folder)], check=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "installed_base": str(folder)}))
    for present in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for each in Path(present).iterdir():
            is_ours = each.name.startswith(("neuralterm", "__editable__", "__pycache__")) or each.suffix == ".pth"
            if not is_ours and not (packages / each.name).exists():
                (packages / each.name).symlink_to(each)
    copy = packages / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    python, script = folder / "bin" / "python", folder / "bin" / "neuralterm"
    subprocess.run([str(python), "-m", "compileall", "-q", str(copy)], check=True)
    script.write_text(_CONSOLE_SCRIPT.format(python=python), encoding="utf-8")
    script.chmod(0o755)
    return Installation(python, script)

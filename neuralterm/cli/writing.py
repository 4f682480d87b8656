"""Files that a command writes because somebody asked for them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def write_file(path: Path, parts: Iterable[str], *, overwrite: bool) -> None:
    """Write a file that its owner alone can read; what is there is overwritten only when that is wanted.

    Raises:
        ValidationError: it exists (`FILE_EXISTS`), or can't be written.
    """
    from neuralterm.domain.exceptions import ValidationError

    try:
        # "backslashreplace": half a surrogate pair, as some models send, must not cost the whole file.
        with open(
            path,
            "w" if overwrite else "x",
            encoding="utf-8",
            errors="backslashreplace",
            newline="\n",
            opener=lambda name, flags: os.open(name, flags, 0o600),
        ) as file:
            if overwrite and path.is_file():
                with suppress(PermissionError):  # another's file that may be written
                    path.chmod(0o600)
            file.writelines(parts)
    except FileExistsError as exc:
        raise ValidationError(f"{path} exists already", "FILE_EXISTS", hint="--force overwrites it") from exc
    except OSError as exc:
        raise ValidationError(f"{path} can't be written: {exc.strerror}") from exc

"""Templates as files: where they are looked for, and what of the disk they can reach."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuralterm.domain.exceptions import ConfigurationError, NotFoundError, ValidationError
from neuralterm.domain.record import record

# What reads templates is imported in functions: who only wants their names is a shell that somebody waits for.
if TYPE_CHECKING:
    from neuralterm.application.templates import Template

SUFFIX = ".toml"
LARGEST_FILE = 4 * 2**20
_NAME = re.compile(r"[\w-][\w.-]*")


@record
class TemplateFolder:
    """Where templates are. What is read for them must lie in `within`, links followed; None is anywhere."""

    path: Path
    within: Path | None = None


def template_files(folders: Iterable[tuple[str | None, str | None]]) -> TemplateFiles:
    """Return the templates of folders by their names, each with what it must be in; None for a folder is none."""
    return TemplateFiles(
        [TemplateFolder(Path(path), None if within is None else Path(within)) for path, within in folders if path]
    )


class TemplateFiles:
    """Reads templates by name from the first folder that has them, or from a file the user names."""

    def __init__(self, folders: Sequence[TemplateFolder]) -> None:
        self._folders = folders

    def load(self, name: str) -> Template:
        """Return a template: by its plain name, or by a path, which has a slash and ends in `.toml`.

        Raises:
            ValidationError: this can't be a template's name.
            NotFoundError: there is none such; the hint names those there are.
            ConfigurationError: the file can't be read, is no template, or reaches out of its folder.
        """
        if name.endswith(SUFFIX) and ("/" in name or os.sep in name):
            path = Path(name)
            if not os.path.isfile(path):
                raise NotFoundError(f"there is no template file {name}")
            return _read_template(path, Path(os.path.realpath(path)).parent)
        if not _NAME.fullmatch(name):
            raise ValidationError(
                f"{name!r} is not a template's name",
                hint=f"a name has letters, digits, - _ and .; a path has a slash and ends in {SUFFIX}",
            )
        for folder in self._folders:
            _refuse_outside(folder.path, folder.within)
        for folder in self._folders:
            path = folder.path / f"{name}{SUFFIX}"
            if os.path.isfile(path):
                return _read_template(path, folder.within)
        raise NotFoundError(f"there is no template {name!r}", hint=self._suggestion(name))

    def names(self) -> list[str]:
        """Return the names that there are. Raises `ConfigurationError` for a folder that is not looked into."""
        for folder in self._folders:
            _refuse_outside(folder.path, folder.within)
        paths = [path for folder in self._folders for path in folder.path.glob(f"*{SUFFIX}")]
        return sorted({path.stem for path in paths if _NAME.fullmatch(path.stem)})

    def _suggestion(self, name: str) -> str:
        from difflib import get_close_matches

        if name.endswith(SUFFIX):
            return f"a file is named with a slash: ./{name}"
        names = self.names()
        if not names:
            return f"templates are looked for in {', '.join(str(folder.path) for folder in self._folders)}"
        close = get_close_matches(name, names, n=5)
        return f"did you mean {', '.join(close)}?" if close else f"there are: {', '.join(names)}"


def _refuse_outside(path: Path, root: Path | None) -> None:
    if root is None:
        return
    try:
        outside = not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))
    except ValueError as error:
        raise ConfigurationError(f"{path} can't be the path of a file: {error}") from error
    if outside:
        raise ConfigurationError(f"{path} is not read for a template: it is outside of {root}")


def _read_template(path: Path, within: Path | None) -> Template:
    import tomllib

    from neuralterm.application.templates import parse_template

    text = _read(path, within)
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"the template {path} is not valid TOML: {error}") from error
    if isinstance(schema := table.get("schema"), str):
        table["schema"] = _read_schema(path.parent / schema, within)
    template = parse_template(path.stem, table)
    _refuse_beyond_json(template, path)
    return template


def _refuse_beyond_json(template: Template, path: Path) -> None:
    import json

    try:
        json.dumps(template.schema, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the schema in {path} has what JSON does not have: {error}") from error


def _read_schema(path: Path, within: Path | None) -> dict[str, Any]:
    import json

    try:
        schema = json.loads(_read(path, within))
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"the schema {path} is not valid JSON: {error}") from error
    if not isinstance(schema, dict):
        raise ConfigurationError(f"the schema {path} must be a JSON object")
    return schema


def _read(path: Path, within: Path | None) -> str:
    _refuse_outside(path, within)
    if path.exists() and not path.is_file():  # reading a pipe might never end
        raise ConfigurationError(f"{path} can't be read: it is no regular file")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise ConfigurationError(
                f"{path} is not read for a template: it is larger than {LARGEST_FILE // 2**20} MiB"
            )
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text") from error
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror or error}") from error

"""From a file, or its text, to settings."""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from msgspec import inspect

from headrace.errors import SettingsInvalid
from headrace.settings.document import Problem, Unreadable, compose
from headrace.settings.reader import Reader
from headrace.settings.rules import apply_rules, apply_serving_rules
from headrace.settings.schema import Settings

# Larger than any settings file; keeps a wrong path such as a log or a device from being parsed.
FILE_BYTES_MAX: Final = 1_048_576


def load_settings(
    path: str | os.PathLike[str],
    environment: Mapping[str, str] | None = None,
    *,
    for_serving: bool = False,
) -> Settings:
    """Read a settings file.

    Args:
        path: the YAML file.
        environment: what `${NAME}` reads; the process's own by default.
        for_serving: whether to try the files, too, that only a server opens.

    Raises:
        SettingsInvalid: the file cannot be read or used; the message holds every problem, each
            on a line of its own as `file:line:column: message`.
    """
    name = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            body = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SettingsInvalid(f"{name}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise SettingsInvalid("the path of the settings file is no path") from None
    if len(body) > FILE_BYTES_MAX:
        raise SettingsInvalid(f"{name}: larger than {FILE_BYTES_MAX} bytes; is it settings?")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = body[: error.start]
        place = Problem(before.count(b"\n") + 1, error.start - before.rfind(b"\n"), "not UTF-8")
        raise _invalid(name, {place}) from None
    variables = os.environ if environment is None else environment
    return parse_settings(text, variables, name, for_serving=for_serving)


def parse_settings(
    text: str,
    environment: Mapping[str, str],
    name: str = "settings",
    *,
    for_serving: bool = False,
) -> Settings:
    """Read the text of a settings file.

    Args:
        text: YAML.
        environment: what `${NAME}` reads.
        name: what problems call the text.
        for_serving: as for `load_settings`.

    Raises:
        SettingsInvalid: as `load_settings` does.
    """
    try:
        document = compose(text)
    except Unreadable as error:
        raise _invalid(name, {error.problem}) from None
    reader = Reader(environment)
    settings = reader.read(_shape(), document)
    apply_rules(reader)
    if for_serving:
        apply_serving_rules(reader)
    if reader.problems or not isinstance(settings, Settings):
        raise _invalid(name, reader.problems)
    return settings


@lru_cache(maxsize=1)
def _shape() -> inspect.Type:
    """What settings are made of; takes longer to find out than a file takes to read."""
    return inspect.type_info(Settings)


def _invalid(name: str, problems: set[Problem]) -> SettingsInvalid:
    lines = (f"{name}:{p.line}:{p.column}: {p.message}" for p in sorted(problems))
    return SettingsInvalid("\n".join(lines))

"""Settings from wherever a program has them."""

import json
import os
from collections.abc import Mapping
from typing import Any

from headrace.errors import SettingsInvalid
from headrace.settings.environment import from_environment
from headrace.settings.load import load_settings, parse_settings
from headrace.settings.schema import Settings

SettingsSource = Settings | Mapping[str, Any] | str | os.PathLike[str] | None
"""Settings, the same as a mapping or a file's path, or `None` for the environment's."""


def read_settings(source: SettingsSource, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that `source` stands for.

    Args:
        source: settings as they are; the path of a settings file; a mapping of the file's own
            schema, `${NAME}` included; or `None` for the providers of the environment.
        environment: what `${NAME}` reads and providers are found in; the process's by default.

    Raises:
        SettingsInvalid: they cannot be used; the message holds every problem, a line each.
    """
    if isinstance(source, Settings):
        return source
    variables = os.environ if environment is None else environment
    if source is None:
        return from_environment(variables)
    if not isinstance(source, Mapping):
        return load_settings(source, variables)
    try:
        # JSON is YAML, so that a mapping is read by the very rules of the file.
        text = json.dumps(dict(source), ensure_ascii=False, indent=1)
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingsInvalid(f"settings: the mapping is not plain data: {error}") from None
    return parse_settings(text, variables)

"""Where files are kept."""

import os
from collections.abc import Mapping
from pathlib import Path

from headrace.settings.schema import Settings


def data_dir(settings: Settings) -> Path:
    """Where data is kept: where the settings say, or by default."""
    if settings.data_dir is not None:
        return Path(settings.data_dir)
    return default_data_dir(os.environ, Path.home())


def default_data_dir(environment: Mapping[str, str], home: Path) -> Path:
    """Where data is kept when nobody says where: what survives a restart and belongs to one host.

    Args:
        environment: systemd names `STATE_DIRECTORY` for a service with one; `XDG_STATE_HOME` is
            the user's own choice.
        home: of the user.
    """
    if service := environment.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(service)
    chosen = Path(environment.get("XDG_STATE_HOME", ""))
    # The specification has relative paths ignored.
    return (chosen if chosen.is_absolute() else home / ".local" / "state") / "headrace"

"""Programs of others, where the environment says which to take."""

import os
from collections.abc import Mapping


def ffmpeg_path(environment: Mapping[str, str] | None = None) -> str | None:
    """What `HEADRACE_FFMPEG` names, if anything.

    Args:
        environment: that of this process by default.
    """
    found = os.environ if environment is None else environment
    return found.get("HEADRACE_FFMPEG") or None

"""What can be set of the log."""

from typing import Literal

import msgspec

from headrace.settings.bounded import Filled


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The log: `auto` is for people on a terminal and JSON elsewhere; no file is stderr."""

    format: Literal["auto", "json", "console", "off"] = "auto"
    file: Filled | None = None
    level: Literal["debug", "info", "warning", "error"] = "info"

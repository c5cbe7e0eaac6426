"""What can be set of files that callers send."""

from typing import Annotated

import msgspec
from msgspec import Meta

FileBytes = Annotated[int, Meta(ge=1024, le=1 << 40)]


class FileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Files that callers send.

    Attributes:
        bytes_max: the largest one.
    """

    bytes_max: FileBytes = 512 * 1024 * 1024

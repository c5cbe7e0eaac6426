"""Which ffmpeg there is."""

import msgspec


class Ffmpeg(msgspec.Struct, frozen=True):
    """An ffmpeg that can do what is needed.

    Attributes:
        path: of the program.
        version: the first line it says of itself.
        has_baseline: whether its drawtext can place lines by their baseline (6.1 and newer).
    """

    path: str
    version: str
    has_baseline: bool

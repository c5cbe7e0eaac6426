"""Captions as files, in which nothing in a text is a command."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

_ASS_HEAD: Final = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Sans,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_ASS_COMMAND: Final = re.compile(r"\{\\|\\[nN]")


class Caption(msgspec.Struct, frozen=True):
    """A text and when it is shown, in seconds from the start."""

    start_s: float
    end_s: float
    text: str


def to_srt(captions: Sequence[Caption]) -> str:
    """A SubRip file: what is in it is shown as it is by players that know no more than SubRip."""
    blocks = (
        f"{number}\n{_stamp(each.start_s, ',')} --> {_stamp(each.end_s, ',')}\n{_line(each.text)}\n"
        for number, each in enumerate(captions, 1)
    )
    return "\n".join(blocks)


def to_webvtt(captions: Sequence[Caption]) -> str:
    """A WebVTT file (W3C, 2019), in which `<`, `>` and `&` are written so that they are shown."""
    blocks = (
        f"{_stamp(each.start_s, '.')} --> {_stamp(each.end_s, '.')}\n{_escaped(_line(each.text))}\n"
        for each in captions
    )
    return "\n".join(["WEBVTT\n", *blocks])


def to_ass(captions: Sequence[Caption]) -> str:
    """What ffmpeg makes a track of: Advanced SubStation Alpha, as its mov_text encoder reads it.

    WebVTT and SubRip would do, but ffmpeg leaves its own escapes of braces in the track. Here a
    brace is a brace, and what would be a command is parted by an invisible word joiner.
    """
    events = (
        f"Dialogue: 0,{_stamp(each.start_s, '.')[1:-1]},{_stamp(each.end_s, '.')[1:-1]}"
        f",Default,,0,0,0,,{_ASS_COMMAND.sub(_parted, _line(each.text))}\n"
        for each in captions
    )
    return "".join([_ASS_HEAD, *events])


def _parted(command: re.Match[str]) -> str:
    return f"{command[0][0]}\N{WORD JOINER}{command[0][1]}"


def _stamp(seconds: float, mark: str) -> str:
    ms = round(seconds * 1000)
    hours, ms = divmod(ms, 3_600_000)
    minutes, ms = divmod(ms, 60_000)
    whole, ms = divmod(ms, 1000)
    return f"{hours:02}:{minutes:02}:{whole:02}{mark}{ms:03}"


def _line(text: str) -> str:
    """One line that is not empty, for an empty one ends a caption."""
    return " ".join(text.split()) or "\u00a0"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

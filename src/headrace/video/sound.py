"""What is heard: each scene's speech in its place, as one file."""

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from headrace.video.commands import AUDIO_RATE_HZ
from headrace.video.timeline import Cue

_SAMPLE_BYTES: Final = 2
_FIELDS: Final = ("input_i", "input_tp", "input_lra", "input_thresh", "target_offset")
# Below this loudnorm tells of silence, which cannot be made louder.
_SILENCE_LUFS: Final = -70.0


def length_s(path: Path) -> float:
    """How long a WAV file is."""
    with wave.open(str(path), "rb") as file:
        return file.getnframes() / file.getframerate()


def join(spoken: Sequence[Path], cues: Sequence[Cue], fps: int, output: Path) -> None:
    """Write what is said of each scene one after the other, with silence up to the next.

    Args:
        spoken: mono files of 48 kHz, one for each scene.
        cues: the scenes.
        fps: frames a second.
        output: the WAV file to write.
    """
    with wave.open(str(output), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(_SAMPLE_BYTES)
        file.setframerate(AUDIO_RATE_HZ)
        written = 0
        for path, cue in zip(spoken, cues, strict=True):
            end = round((cue.start_frame + cue.frames) * AUDIO_RATE_HZ / fps)
            with wave.open(str(path), "rb") as part:
                data = part.readframes(end - written)
            file.writeframes(data)
            rest = end - written - len(data) // _SAMPLE_BYTES
            file.writeframes(bytes(rest * _SAMPLE_BYTES))
            written = end


def loudness_of(lines: Sequence[str]) -> dict[str, float] | None:
    """What loudnorm measured; `None` where nothing is to be heard.

    Args:
        lines: what ffmpeg said, with the filter's JSON at the end.
    """
    text = "\n".join(lines)
    start, end = text.rfind("{"), text.rfind("}")
    try:
        told = msgspec.json.decode(text[start : end + 1], type=dict[str, str])
        measured = {name: float(told[name]) for name in _FIELDS}
    except (msgspec.DecodeError, KeyError, ValueError):
        return None
    return measured if measured["input_i"] > _SILENCE_LUFS else None

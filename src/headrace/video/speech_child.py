"""A process that says one text with espeak-ng: `python -m headrace.video.speech_child`.

The library is called by ctypes, after espeak-ng's own header speak_lib.h (1.52).
"""

import ctypes
import sys
import wave
from pathlib import Path
from typing import Final

_SYNCHRONOUS: Final = 2
_CHARS_UTF8: Final = 1
_RATE_PARAMETER: Final = 1
_ERROR: Final = 3


def main(arguments: list[str]) -> int:
    """Write what is said.

    Args:
        arguments: file of the text, file of the sound, voice, words per minute.

    Returns:
        the exit status; a line on standard error says what was wrong.
    """
    source, target, voice, words_per_minute = arguments
    try:
        import espeakng_loader
    except ImportError:
        return _fail("the package espeakng-loader is not installed")
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    samples = bytearray()
    callback_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)

    def take(data: int | None, count: int, _events: int) -> int:
        if data and count > 0:
            samples.extend(ctypes.string_at(data, 2 * count))
        return 0

    callback = callback_type(take)
    folder = str(espeakng_loader.get_data_path()).encode()
    rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 0, folder, 0)
    if rate_hz <= 0:
        return _fail("espeak-ng does not start")
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()):
        return _fail(f"espeak-ng has no voice {voice!r}")
    library.espeak_SetParameter(_RATE_PARAMETER, int(words_per_minute), 0)
    text = Path(source).read_bytes().replace(b"\0", b" ") + b"\0"
    if library.espeak_Synth(text, len(text), 0, 0, 0, _CHARS_UTF8, None, None):
        return _fail("espeak-ng could not say the text")
    library.espeak_Synchronize()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(bytes(samples))
    return 0


def _fail(why: str) -> int:
    sys.stderr.write(why + "\n")
    return _ERROR


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Stack traces: those that were shown above, and frames in libraries.

Of a trace whose frames stand above, its first and last lines are told. Frames in libraries go in
`lossy` only: who looks for the fault in a library misses them.
"""

import re
from collections.abc import Sequence
from typing import Final

MARK: Final = "  [the same frames as above]"
_PYTHON_HEAD: Final = "Traceback (most recent call last):"
_FRAME: Final = re.compile(r'\s+(?:at \S.*|File ".*", line \d+.*)')
_PYTHON_FRAME: Final = re.compile(r'\s+File "')
_LIBRARY: Final = re.compile(
    r"site-packages|dist-packages|node_modules|node:internal|/lib/python\d"
    r"|\bat (?:java|javax|jdk|sun|org\.springframework|org\.apache|io\.netty)\."
)
_FRAMES_MIN: Final = 3


def has_traces(text: str) -> bool:
    """Whether stack traces stand in `text`."""
    if _PYTHON_HEAD in text:
        return True
    return "\n\tat " in text or "\n    at " in text or "\n  at " in text


def without_repeats(text: str) -> str:
    """Each run of frames once; later ones are told by a mark."""
    kept: list[str] = []
    seen: set[tuple[str, ...]] = set()
    for lines, is_frames in _runs(text):
        run = tuple(lines)
        if is_frames and len(run) >= _FRAMES_MIN and run in seen:
            kept.append(MARK)
        else:
            seen.add(run)
            kept += lines
    return "\n".join(kept)


def without_libraries(text: str) -> str:
    """Frames in libraries as a count, where several follow each other."""
    kept: list[str] = []
    for lines, is_frames in _runs(text):
        kept += _folded(lines) if is_frames else lines
    return "\n".join(kept)


def _runs(text: str) -> list[tuple[list[str], bool]]:
    """Runs of lines that are frames, and of lines that are not, in turn.

    In Python's traces the line of source below a frame belongs to it.
    """
    runs: list[tuple[list[str], bool]] = []
    indent = -1
    for line in text.split("\n"):
        is_frame = _FRAME.match(line) is not None
        if is_frame:
            indent = _indent(line) if _PYTHON_FRAME.match(line) else -1
        elif 0 <= indent < _indent(line):
            is_frame = True
        else:
            indent = -1
        if not runs or runs[-1][1] is not is_frame:
            runs.append(([], is_frame))
        runs[-1][0].append(line)
    return runs


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip()) if line.strip() else -1


def _folded(lines: Sequence[str]) -> list[str]:
    kept: list[str] = []
    library: list[str] = []
    frames = 0
    is_library = False
    for line in [*lines, ""]:
        if not line or _FRAME.match(line):
            is_library = bool(line) and _LIBRARY.search(line) is not None
            if not is_library:
                kept += _counted(library, frames)
                library, frames = [], 0
            frames += is_library
        if line:
            (library if is_library else kept).append(line)
    return kept


def _counted(library: list[str], frames: int) -> list[str]:
    return [f"  [{frames} frames in libraries]"] if frames >= _FRAMES_MIN else library

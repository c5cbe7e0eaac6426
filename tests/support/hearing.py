"""Whether a process hears signals yet."""

import signal
from pathlib import Path


def hears(pid: int, number: int = signal.SIGTERM) -> bool:
    """Whether a signal would be heard, or waited for, by a process in place of ending it."""
    try:
        told = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    masks = dict(line.split(":\t", 1) for line in told.splitlines() if ":\t" in line)
    heard = int(masks["SigCgt"], 16) | int(masks["SigBlk"], 16)
    return bool(heard >> (number - 1) & 1)

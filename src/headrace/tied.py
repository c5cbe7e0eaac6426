"""Commands that end with whoever started them, however that one dies."""

import os
import sys
from collections.abc import Sequence
from typing import Final

# Has the system end what follows together with the thread that started it, or at once where that is
# gone already (prctl(2), PR_SET_PDEATHSIG; Linux), and becomes it.
_TIED: Final = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def tied(command: Sequence[str]) -> list[str]:
    """A command that does not outlive the thread which starts it, where the system can do that.

    Args:
        command: a program and its arguments; it gets the number of the process that is started for
            it.
    """
    if sys.platform != "linux":
        return [*command]
    return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]

"""Signals of a terminal's end, whatever those who started the tests have made of them."""

import sys
from typing import Final

_HEARS: Final = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""

HEARS: Final = (sys.executable, "-c", _HEARS)
"""Before a command: SIGHUP is not ignored by it, also where tests were begun by nohup."""

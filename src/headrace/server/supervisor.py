"""N workers on one port: started by fork, restarted when they die, stopped and reloaded together.

The supervisor runs no loop and no threads, so that forking is safe: it waits for signals. Each
worker listens on a socket of its own (SO_REUSEPORT) and counts in its own row of one shared
board, which outlives it. The server that workers share answers by is kept running in the same way.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable

from headrace.clock import Clock
from headrace.errors import HeadraceError
from headrace.observe.event_log import DirectEventLog
from headrace.server.embedded import EmbeddedValkey
from headrace.server.post import Post
from headrace.server.restarts import Restarts
from headrace.server.telemetry import keep_telemetry
from headrace.server.worker import Load
from headrace.settings import Settings

FAILED_TO_START = 78  # EX_CONFIG
IDLE_WAIT_S = 3600.0

WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

RunWorker = Callable[[Settings, Post], None]


class Supervisor:
    """Keeps `len(posts)` workers running.

    Args:
        settings: what workers go by.
        load: reads the settings again, for SIGHUP.
        posts: where each worker stands.
        run_worker: runs one worker to its end, in the child.
        events: where to say what happens.
        clock: the time.
        embedded: what the workers share answers by, where it is a child of this process.
    """

    def __init__(
        self,
        settings: Settings,
        load: Load,
        posts: list[Post],
        run_worker: RunWorker,
        events: DirectEventLog,
        clock: Clock,
        embedded: EmbeddedValkey | None = None,
    ) -> None:
        self._settings = settings
        self._load = load
        self._posts = posts
        self._run_worker = run_worker
        self._events = events
        self._clock = clock
        self._embedded = embedded
        self._workers: dict[int, tuple[Post, float]] = {}  # by pid: post, start
        self._due: list[tuple[float, Post]] = []
        self._restarts = Restarts()
        self._is_stopping = False

    def run(self) -> int:
        """Run until stopped.

        Returns:
            The exit status: 0, or that of a worker that could not start.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        if self._embedded is None:
            return self._run()
        try:
            self._embedded.start()
            return self._run()
        finally:
            self._embedded.stop()

    def _run(self) -> int:
        for post in self._posts:
            self._start(post)
        status = 0
        while self._workers or self._due:
            received = signal.sigtimedwait(WATCHED, self._wait_s())
            number = received.si_signo if received else None
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            elif number == signal.SIGHUP:
                self._reload()
            status = self._reap() or status
            self._start_due()
        return status

    def _wait_s(self) -> float:
        due_s = [due_s for due_s, _ in self._due]
        if self._embedded is not None and self._embedded.due_s is not None:
            due_s.append(self._embedded.due_s)
        return max(0.0, min(due_s) - self._clock.monotonic_s()) if due_s else IDLE_WAIT_S

    def _start(self, post: Post) -> None:
        pid = os.fork()
        if pid == 0:
            self._be_worker(post)
        self._workers[pid] = (post, self._clock.monotonic_s())

    def _be_worker(self, post: Post) -> None:
        status = 1
        try:
            # Signals stay blocked until the worker listens to them: a reload or a stop that comes
            # while it starts waits, and does not end it as an unknown signal would.
            self._run_worker(self._settings, post)
            status = 0
        except HeadraceError as error:
            self._events.say("error", "start_refused", worker=post.index, detail=error.message)
            status = FAILED_TO_START
        except BaseException:  # noqa: BLE001  # a child must not return into the parent's code
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> int:
        """Take note of the dead, and plan their successors."""
        failed = 0
        while ended := _next_ended():
            pid, code = ended
            if self._embedded is not None and self._embedded.has_ended(
                pid, code, is_wanted=not self._is_stopping
            ):
                continue
            post, started_s = self._workers.pop(pid)
            post.layout.zero_gauges(post.board.row(post.index))
            if self._is_stopping:
                continue
            if code == FAILED_TO_START:
                failed = code
                self._stop()
                continue
            self._plan_successor(post, pid, code, started_s)
        return failed

    def _plan_successor(self, post: Post, pid: int, code: int, started_s: float) -> None:
        now_s = self._clock.monotonic_s()
        pause_s = self._restarts.pause_s(now_s - started_s)
        # Its row is nobody's until the successor starts.
        row = post.board.row(post.index)
        row[post.layout.place("headrace_worker_restarts_total").base] += 1.0
        self._events.say(
            "warning",
            "worker_ended",
            worker=post.index,
            pid=pid,
            exit_code=code,
            restart_s=pause_s,
        )
        self._due.append((now_s + pause_s, post))

    def _start_due(self) -> None:
        now_s = self._clock.monotonic_s()
        due = [post for due_s, post in self._due if due_s <= now_s]
        self._due = [(due_s, post) for due_s, post in self._due if due_s > now_s]
        for post in due:
            self._start(post)
        if self._embedded is not None:
            self._embedded.start_if_due()

    def _stop(self) -> None:
        self._is_stopping = True
        self._due.clear()
        self._pass_on(signal.SIGTERM)

    def _reload(self) -> None:
        try:
            settings = keep_telemetry(self._settings, self._load())
        except HeadraceError as error:
            self._events.say("error", "reload_refused", pid=os.getpid(), detail=error.message)
            return
        # Slots and places are assigned before any worker looks for them.
        self._posts[0].assign(settings)
        self._settings = settings
        self._pass_on(signal.SIGHUP)

    def _pass_on(self, number: signal.Signals) -> None:
        for pid in self._workers:
            os.kill(pid, number)


def _next_ended() -> tuple[int, int] | None:
    """A child that has ended, and its exit code; the system forgets it then."""
    try:
        pid, wait_status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:  # there is none at all
        return None
    return (pid, os.waitstatus_to_exitcode(wait_status)) if pid else None

"""A real PostgreSQL server of the tests' own, which may be killed, frozen and started again.

Its binaries are those on PATH, those where Debian puts them, or those of the `pgserver` wheel. It
listens on a socket in a folder of its own, and belongs to an unprivileged user where the tests run
as root, since it refuses to run as root itself.
"""

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
from psycopg import sql
from tests.support.waiting import eventually

URL_VARIABLE: Final = "HEADRACE_TEST_POSTGRES"
_DEBIAN: Final = Path("/usr/lib/postgresql")
_START_TIMEOUT_S: Final = 100.0
_SETTINGS: Final = {
    "listen_addresses": "",
    "fsync": "off",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",  # in its folder, where it goes with a killed one
}


class Databases:
    """Empty databases on a server.

    Args:
        url: of any database on it, whose user may create others.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._names = (f"headrace_test_{os.getpid()}_{n}" for n in itertools.count(1))

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of an empty database, which is dropped in the end if the server is there."""
        name = next(self._names)
        self._do("CREATE DATABASE {}", name)
        try:
            yield self.url_of(name)
        finally:
            self._do("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def url_of(self, name: str) -> str:
        """The URL of a database by its name."""
        front, _, options = self._url.partition("?")
        base = front.rpartition("/")[0]
        return f"{base}/{name}" + (f"?{options}" if options else "")

    def _do(self, statement: str, name: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


class PostgresServer:
    """A server in a folder of its own.

    Args:
        binaries: where `initdb` and `postgres` are.
        settings: of the server, in place of what it would be started with.
    """

    def __init__(self, binaries: Path, settings: Mapping[str, str] = {}) -> None:
        self._binaries = binaries
        self._settings = {**_SETTINGS, **settings}
        self._folder = Path(tempfile.mkdtemp(prefix="headrace-pg-"))
        self._user = _server_user()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://headrace@/postgres?host={self._folder}"
        self.databases = Databases(self.url)
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        self._make_data()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        settings = self._settings.items()
        options = [part for name, value in settings for part in ("-c", f"{name}={value}")]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, "-k", self._folder, *options],
                stdout=log,
                stderr=log,
                **self._as_user(),
            )
        eventually(self._takes_connections, _START_TIMEOUT_S)

    def stop(self) -> None:
        """Stop it as an administrator would, connections or not."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill it and all its children, so that nothing is written any more."""
        assert self._process is not None
        for child in psutil.Process(self._process.pid).children(recursive=True):
            _signal(child.pid, signal.SIGKILL)
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it answer nothing, while connections stay open."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        """Stop it, and remove its folder."""
        if self.is_running:
            self.thaw()
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, statement: str) -> Any:
        """The first column of the first row that a statement gives, if any, in no transaction."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
        return None if row is None else row[0]

    @property
    def folder(self) -> Path:
        """Where its socket is."""
        return self._folder

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _make_data(self) -> None:
        self._run("initdb", "-U", "headrace", "-A", "trust", "-E", "UTF8", "--no-locale")

    def _run(self, program: str, *options: str) -> None:
        done = subprocess.run(
            [self._binaries / program, "-D", self._data, "--no-sync", *options],
            capture_output=True,
            timeout=120,
            **self._as_user(),
        )
        assert done.returncode == 0, done.stderr.decode()

    def _as_user(self) -> dict[str, Any]:
        folder = {"cwd": self._folder, "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}}
        if self._user is None:
            return folder
        return {
            **folder,
            "user": self._user.pw_uid,
            "group": self._user.pw_gid,
            "extra_groups": [],
        }

    def _takes_connections(self) -> bool:
        assert self.is_running, (self._folder / "server.log").read_text("utf-8")
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        for process in psutil.Process(self._process.pid).children(recursive=True):
            _signal(process.pid, number)
        _signal(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        _signal(self._process.pid, number)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def find_binaries() -> Path | None:
    """Where a PostgreSQL is that can be started; the newest of those that Debian installed."""
    debian = sorted(_DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name))
    on_path = shutil.which("postgres")
    wheel = importlib.util.find_spec("pgserver")
    candidates = [
        *([Path(on_path).resolve().parent] if on_path else []),
        *reversed(debian),
        *([Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []),
    ]
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    return None


def _server_user() -> pwd.struct_passwd | None:
    """Whose the server is where the tests run as root; None where it is their own user."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return

"""A real PostgreSQL primary with standbys that follow it, which may be held up and killed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

_SMALL: Final = {"max_connections": "40", "wal_keep_size": "64MB", "max_wal_size": "256MB"}


class Standby(PostgresServer):
    """A copy of a server, which follows it from then on.

    Args:
        binaries: where `pg_basebackup` and `postgres` are.
        primary: is running.
        name: what the primary knows it by.
    """

    def __init__(self, binaries: Path, primary: PostgresServer, name: str) -> None:
        self._primary = primary
        self._name = name
        super().__init__(binaries, {**_SMALL, "wal_receiver_status_interval": "1s"})

    def pause(self) -> None:
        """Replay nothing any more; what comes is still received."""
        self.ask("SELECT pg_wal_replay_pause()")
        eventually(lambda: self.ask("SELECT pg_get_wal_replay_pause_state()") == "paused")

    def resume(self) -> None:
        """Go on replaying."""
        self.ask("SELECT pg_wal_replay_resume()")

    def delay(self, delay_ms: int) -> None:
        """Replay commits only so long after they were made; 0 replays them at once."""
        self.ask(f"ALTER SYSTEM SET recovery_min_apply_delay = {delay_ms}")
        self.ask("SELECT pg_reload_conf()")
        setting = "SELECT setting FROM pg_settings WHERE name = 'recovery_min_apply_delay'"
        eventually(lambda: self.ask(setting) == str(delay_ms))

    def promote(self) -> None:
        """Follow nobody any more, and take writes; told again where that was not heeded."""
        told = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_promote(true, 10) ELSE true END"
        assert any(self.ask(told) for _ in range(6))

    def caught_up(self) -> bool:
        """Whether it has replayed what the primary has written by now."""
        position = self._primary.ask("SELECT pg_current_wal_flush_lsn()")
        return bool(self.ask(f"SELECT pg_last_wal_replay_lsn() >= '{position}'"))

    def _make_data(self) -> None:
        source = f"host={self._primary.folder} user=headrace application_name={self._name}"
        self._run("pg_basebackup", "-d", source, "-R", "-X", "stream", "-c", "fast")


class Cluster:
    """A primary and its standbys.

    Attributes:
        primary: takes writes.
        standbys: follow it.
    """

    def __init__(self, primary: PostgresServer, standbys: list[Standby]) -> None:
        self.primary = primary
        self.standbys = standbys

    def url_of_all(self, name: str) -> str:
        """Of a database, wherever it takes writes."""
        folders = ",".join(str(each.folder) for each in (self.primary, *self.standbys))
        options = f"host={folders}&target_session_attrs=read-write"
        return f"postgresql://headrace@/{name}?{options}"

    def settle(self) -> None:
        """Let all that was held up go on, and wait until everybody has everything."""
        for standby in self.standbys:
            standby.thaw()
            standby.resume()
            standby.delay(0)
        for standby in self.standbys:
            eventually(standby.caught_up)


@contextmanager
def cluster(binaries: Path, standbys: int) -> Iterator[Cluster]:
    """A primary with as many standbys, stopped and removed in the end."""
    with ExitStack() as stack:
        primary = PostgresServer(binaries, _SMALL)
        stack.callback(primary.close)
        primary.start()
        followers = []
        for number in range(standbys):
            standby = Standby(binaries, primary, f"standby{number + 1}")
            stack.callback(standby.close)
            standby.start()
            followers.append(standby)
        yield Cluster(primary, followers)

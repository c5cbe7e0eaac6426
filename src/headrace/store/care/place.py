"""Where a store is, and what can be done with it there. Drivers are loaded only when needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from headrace.errors import SettingsInvalid
from headrace.store.care.findings import Finding, Report, worst_first
from headrace.store.ledger.refused import LEDGER_FOLDER, look_aside, retry
from headrace.store.records.open import RECORDS_FILE
from headrace.store.records.steps import Tell

if TYPE_CHECKING:
    from headrace.store.care.postgres_report import PostgresReporter
    from headrace.store.care.sqlite_report import SqliteReporter

Subject = Literal["status", "check", "diagnose"]


class CarePlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where the records are.

    Attributes:
        url: `sqlite`, or `postgresql://...`.
        folder: of the file.
        replicas: how many standbys the settings name.
        pool_size: connections that one gateway may hold.
    """

    url: str
    folder: Path
    replicas: int = 0
    pool_size: int = 5

    def report(self, subject: Subject) -> Report:
        """What is told of it.

        Args:
            subject: how much.

        Raises:
            SettingsInvalid: a package is missing, or the URL cannot be read.
            StoreFault: it cannot be reached or asked.
        """
        return with_aside(self._report(subject), self.folder / LEDGER_FOLDER)

    def migrate(self, tell: Tell) -> None:
        """Bring its tables to the newest version.

        Args:
            tell: told of each step before it runs.

        Raises:
            SettingsInvalid: a package is missing.
            StoreFault: it cannot be done; nothing has changed.
        """
        try:
            from headrace.store.care import migrating
        except ImportError as error:
            raise _missing(error) from error
        if self.url == "sqlite":
            migrating.migrate_file(self._file, tell)
        else:
            migrating.migrate_server(self.url, tell)

    def retry_rows(self) -> int:
        """Have rows of the ledger that the database refused tried again; gives how many.

        Raises:
            OSError: there is no room, or no leave.
        """
        return retry(self.folder / LEDGER_FOLDER)

    @property
    def _file(self) -> Path:
        return self.folder / RECORDS_FILE

    def _report(self, subject: Subject) -> Report:
        if self.url == "sqlite" and not self._file.exists():
            return _not_there(self._file)
        with self._reporter() as reporter:
            match subject:
                case "status":
                    return reporter.status()
                case "check":
                    return reporter.check()
                case "diagnose":
                    return reporter.diagnose()

    @contextmanager
    def _reporter(self) -> "Iterator[PostgresReporter | SqliteReporter]":
        if self.url == "sqlite":
            from headrace.store.care.asking_sqlite import SqliteAsker
            from headrace.store.care.sqlite_report import SqliteReporter

            file = SqliteAsker(self._file)
            try:
                yield SqliteReporter(file, self._file)
            finally:
                file.close()
            return
        try:
            from headrace.store.care.asking_postgres import PostgresAsker
            from headrace.store.care.postgres_report import PostgresReporter
        except ImportError as error:
            raise _missing(error) from error
        server = PostgresAsker(self.url)
        try:
            yield PostgresReporter(server, self.pool_size, self.replicas)
        finally:
            server.close()


def with_aside(report: Report, folder: Path) -> Report:
    """The same report with what of the ledger is in no table, and will not be by itself.

    Args:
        report: on the store.
        folder: of the journal.
    """
    aside, found = look_aside(folder), list(report.findings)
    if aside.rows:
        what = (
            f"{aside.rows} rows ({aside.bytes:,} bytes) that the database refused are in {folder}"
        )
        advice = "headrace db retry, when its cause is gone; or remove *.refused there"
        found.append(Finding(level="problem", about="ledger", what=what, advice=advice))
    if aside.unreadable:
        what = f"{aside.unreadable} journals that cannot be read are in {folder}"
        advice = "look whether a backup has them, and remove *.unreadable there"
        found.append(Finding(level="warning", about="ledger", what=what, advice=advice))
    return msgspec.structs.replace(report, findings=worst_first(found))


def _missing(error: ImportError) -> SettingsInvalid:
    return SettingsInvalid(
        f"store.url: a package is missing ({error}). "
        "Install what this store needs: pip install 'headrace[postgres]'"
    )


def _not_there(path: Path) -> Report:
    finding = Finding(
        level="warning",
        about="records",
        what="the file is not there yet",
        advice="headrace db migrate, or start the gateway",
    )
    return Report(name=str(path), dialect="sqlite", findings=(finding,))

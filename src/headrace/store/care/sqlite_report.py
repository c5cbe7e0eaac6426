"""What is told of a SQLite file."""

from pathlib import Path
from typing import Any

from headrace.store.care import sqlite_advice as advice
from headrace.store.care.asking_sqlite import SqliteAsker
from headrace.store.care.findings import Finding, Report, Section, as_section, worst_first
from headrace.store.care.plans import check_plans, of_plans, plan_section
from headrace.store.care.schema_check import RECORDS_VERSIONS, of_schema
from headrace.store.records.queries import load_queries


class SqliteReporter:
    """Asks a file, and puts together what is told.

    Args:
        asker: the connection.
        path: of the file.
    """

    def __init__(self, asker: SqliteAsker, path: Path) -> None:
        self._asker = asker
        self._path = path
        self._findings: list[Finding] = []

    def status(self) -> Report:
        """Versions and sizes."""
        self._look_at_schema()
        return self._report([self._file(), self._tables()])

    def check(self) -> Report:
        """Whether the file is whole, and all is there that has to be."""
        self._look_at_schema()
        problems = [row["problem"] for row in self._asker.ask("integrity_check")]
        orphans = self._asker.ask("foreign_key_check")
        self._findings += advice.of_integrity(problems, orphans, self._asker.name)
        return self._report([])

    def diagnose(self) -> Report:
        """All that helps to find out what is slow."""
        self._look_at_schema()
        file, tables = self._file(), self._tables()
        found = self._asker.ask("file")[0]
        self._findings += advice.of_file(found, self._log_bytes(), self._asker.name)
        numbers = self._asker.ask("has_numbers")[0]["found"]
        rows_most = max((int(row[1] or 0) for row in tables.rows), default=0)
        self._findings += advice.of_numbers(numbers, rows_most)
        problems = [row["problem"] for row in self._asker.ask("quick_check")]
        self._findings += advice.of_integrity(problems, [], self._asker.name)
        return self._report([file, tables, self._plans()])

    def _report(self, sections: list[Section]) -> Report:
        return Report(
            name=self._asker.name,
            dialect=self._asker.dialect,
            sections=tuple(section for section in sections if section.rows or section.note),
            findings=worst_first(self._findings),
        )

    def _look_at_schema(self) -> None:
        version = self._asker.version(RECORDS_VERSIONS)
        self._findings += of_schema("sqlite", version, self._asker.ask("relations"))

    def _file(self) -> Section:
        found: dict[str, Any] = self._asker.ask("file")[0]
        found["size_bytes"] = found["pages"] * found["page_bytes"]
        found["free_bytes"] = found["free_pages"] * found["page_bytes"]
        found["log_bytes"] = self._log_bytes()
        columns = ("version", "size_bytes", "free_bytes", "log_bytes", "journal_mode")
        return as_section("File", [found], columns)

    def _tables(self) -> Section:
        names = [row["name"] for row in self._asker.ask("tables")]
        rows = tuple((name, self._asker.rows_about(name)) for name in names)
        return Section(title="Tables", columns=("name", "rows"), rows=rows)

    def _plans(self) -> Section:
        checks = check_plans(self._asker, load_queries("sqlite"))
        self._findings += of_plans(checks, "headrace db migrate, which runs ANALYZE")
        return plan_section(checks)

    def _log_bytes(self) -> int:
        log = self._path.with_name(self._path.name + "-wal")
        return log.stat().st_size if log.exists() else 0

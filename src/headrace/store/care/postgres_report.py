"""What is told of a PostgreSQL server."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from headrace.store.care import postgres_advice as advice
from headrace.store.care.asking_postgres import PostgresAsker, Row
from headrace.store.care.findings import Finding, Report, Section, as_section, worst_first
from headrace.store.care.plans import check_plans, of_plans, plan_section
from headrace.store.care.schema_check import RECORDS_VERSIONS, of_schema
from headrace.store.faults import StoreFault
from headrace.store.records.queries import load_queries

Result = TypeVar("Result")

_STATEMENTS: Final = 15
_TEXT_MAX: Final = 90
_SPACE: Final = re.compile(r"\s+")
_TABLE_COLUMNS: Final = ("name", "rows", "size_bytes", "full_reads", "index_reads", "dead")


class PostgresReporter:
    """Asks a server, and puts together what is told.

    Args:
        asker: the connection.
        pool_size: connections that one gateway may hold.
        replicas: how many standbys the settings name.
    """

    def __init__(self, asker: PostgresAsker, pool_size: int, replicas: int) -> None:
        self._asker = asker
        self._pool_size = pool_size
        self._replicas = replicas
        self._findings: list[Finding] = []

    def status(self) -> Report:
        """Versions and sizes."""
        server = self._asker.ask("server")[0]
        self._findings += of_schema(self._asker.dialect, self._version(), self._relations())
        sections = [_server_section(server), self._tables(), self._standbys()]
        return self._report(sections)

    def check(self) -> Report:
        """Whether all is there that has to be."""
        self._findings += advice.of_server(self._asker.ask("server")[0])
        self._findings += of_schema(self._asker.dialect, self._version(), self._relations())
        self._findings = [
            each for each in self._findings if each.level in ("ok", "problem", "warning")
        ]
        return self._report([])

    def diagnose(self) -> Report:
        """All that helps to find out what is slow."""
        ask = self._asker.ask
        server, activity = ask("server")[0], ask("activity")[0]
        tables, traffic = ask("tables"), ask("traffic")[0]
        transactions = ask("long_transactions", open_s_min=advice.OPEN_S_MIN)
        locks = ask("locks")
        self._findings += of_schema(self._asker.dialect, self._version(), self._relations())
        self._findings += advice.of_server(server)
        self._findings += advice.of_connections(activity, server, self._pool_size)
        self._findings += advice.of_transactions(transactions)
        self._findings += advice.of_locks(locks)
        self._findings += advice.of_traffic(traffic)
        self._findings += advice.of_tables(tables)
        self._findings += advice.of_indexes(ask("indexes"), traffic["counted_s"])
        sections = [
            _server_section(server),
            as_section("Connections", [activity], tuple(activity)),
            self._statements(),
            self._plans(),
            as_section("Tables", tables[:_STATEMENTS], _TABLE_COLUMNS),
            self._standbys(),
            *(
                [as_section("Long transactions", transactions, tuple(transactions[0]))]
                if transactions
                else []
            ),
            *([as_section("Waiting for locks", locks, tuple(locks[0]))] if locks else []),
        ]
        return self._report(sections)

    def _report(self, sections: Sequence[Section]) -> Report:
        return Report(
            name=self._asker.name,
            dialect=self._asker.dialect,
            sections=tuple(section for section in sections if section.rows or section.note),
            findings=worst_first(self._findings),
        )

    def _version(self) -> int | None:
        return self._asker.version(RECORDS_VERSIONS)

    def _relations(self) -> list[Row]:
        return self._asker.ask("relations")

    def _tables(self) -> Section:
        ours = [row for row in self._asker.ask("tables") if row["name"].startswith("headrace_")]
        return as_section("Tables", ours, ("name", "rows", "size_bytes"))

    def _standbys(self) -> Section:
        if self._asker.ask("server")[0]["is_standby"]:
            self._findings.append(
                Finding(
                    level="warning",
                    about="server",
                    what="is a standby, and takes no writes",
                    advice="let store.url name its primary",
                )
            )
            return Section(title="Standbys")
        found = self._tried(lambda: (self._asker.ask("standbys"), self._asker.ask("slots")))
        if found is None:
            return Section(title="Standbys", note="not told to this user: GRANT pg_monitor")
        standbys, slots = found
        self._findings += advice.of_standbys(standbys, slots, self._replicas)
        columns = ("name", "state", "sync_state", "behind_bytes", "lag_s")
        return as_section("Standbys", standbys, columns)

    def _statements(self) -> Section:
        title = "Statements by total time"
        has = self._asker.ask("has_statements")[0]
        self._findings += advice.of_statement_counts(has)
        if not (has["is_loaded"] and has["is_made"]):
            return Section(title=title, note="not counted by this server; see below")
        rows = self._tried(lambda: self._asker.ask("statements", count=_STATEMENTS))
        if rows is None:
            return Section(title=title, note="not told to this user: GRANT pg_read_all_stats")
        ours = {_plain(query.text): query.name for query in load_queries(self._asker.dialect)}
        for row in rows:
            text = _SPACE.sub(" ", row["query"]).strip()
            row["query"] = ours.get(_plain(row["query"]), text[:_TEXT_MAX])
        columns = ("query", "calls", "total_ms", "share", "mean_ms", "max_ms", "rows", "hit_share")
        return as_section(title, rows, columns)

    def _plans(self) -> Section:
        checks = check_plans(self._asker, load_queries(self._asker.dialect))
        self._findings += of_plans(checks, "ANALYZE the table; see whether the index is there")
        return plan_section(checks)

    def _tried(self, ask: Callable[[], Result]) -> Result | None:
        try:
            return ask()
        except StoreFault:
            return None


def _server_section(server: dict[str, Any]) -> Section:
    shown = ("version", "is_standby", "up_s", "size_bytes", "connections_max", "shared_buffers")
    return as_section("Server", [server], shown)


def _plain(text: str) -> str:
    """A statement without what differs between ours and what a server keeps of it."""
    text = re.sub(r"%\(\w+\)s|\$\d+|'[^']*'|\b\d+\b", "?", text.replace("%%", "%"))
    return _SPACE.sub("", text).lower()

"""Reading the ledger, on SQLite and on PostgreSQL: sums, pages, and what is asked wrongly."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.headrace_process import run
from tests.support.ledger import NOW_S, Tally, call, shipper, write_journal
from tests.support.stores import Place
from tests.support.waiting import eventually

from headrace.clock import ManualClock
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running
from headrace.store.ledger import usage as usage_module
from headrace.store.ledger.row import CallRow, ContentRow
from headrace.store.ledger.usage import Question, UsageReader
from headrace.store.records.records import Records

pytestmark = pytest.mark.heavy_on_postgresql

DAY_S = 86_400.0
ALL = Question(date(2026, 1, 1), date(2026, 12, 31))


def use(
    place: Place,
    folder: Path,
    rows: list[CallRow | ContentRow],
    work: Callable[[UsageReader], Awaitable[None]],
) -> None:
    async def main() -> None:
        async with place.records() as records:
            await store(records, folder, rows)
            await work(UsageReader(records, ManualClock(NOW_S)))

    asyncio.run(main())


async def store(records: Records, folder: Path, rows: list[CallRow | ContentRow]) -> None:
    write_journal(folder, rows)
    await shipper(folder, records, Tally()).ship()


def test_sums_are_told_apart_by_what_is_wanted(place: Place, tmp_path: Path) -> None:
    rows = [
        call(1, cost_nano=1000),
        call(2, cost_nano=5000, model="gpt-4o"),
        call(3, cost_nano=0, saved_nano=1000, cache="l1"),
        call(4, cost_nano=None, tenant="other", at_s=NOW_S - 40 * DAY_S),
        call(5, status=502, error="x", cost_nano=0, tenant="other", is_estimated=True),
    ]

    async def work(reader: UsageReader) -> None:
        told = await reader.usage(ALL, ("model",))
        assert [(each["model"], each["calls"]) for each in told["data"]] == [
            ("gpt-4o", 1),
            ("gpt-4o-mini", 3),
            ("", 1),  # the one that did not answer
        ]
        total = told["total"]
        assert (total["calls"], total["errors"]) == (5, 1)
        assert (total["estimated_calls"], total["unpriced_calls"]) == (1, 1)
        assert (total["cost_usd"], total["saved_usd"]) == (6e-6, 1e-6)
        assert told["data"][0]["cost_usd"] == 5e-6
        months = (await reader.usage(ALL, ("month", "tenant")))["data"]
        assert [(each["month"], each["tenant"], each["calls"]) for each in months] == [
            ("2026-10", "other", 1),
            ("2026-11", "app", 3),
            ("2026-11", "other", 1),
        ]
        days = (await reader.usage(ALL, ("day",)))["data"]
        assert [(each["day"], each["calls"]) for each in days] == [
            ("2026-10-12", 1),
            ("2026-11-21", 4),
        ]
        (whole,) = (await reader.usage(ALL, ()))["data"]
        assert whole["calls"] == 5
        one = Question(ALL.first, ALL.last, {"tenant": "app", "cache": "l1"})
        assert (await reader.usage(one, ("key",)))["total"]["calls"] == 1
        narrow = Question(date(2026, 11, 21), date(2026, 11, 21))
        assert (await reader.usage(narrow, ()))["total"]["calls"] == 4
        empty = Question(date(2020, 1, 1), date(2020, 1, 2))
        assert (await reader.usage(empty, ()))["data"] == []

    use(place, tmp_path, rows, work)


@pytest.mark.parametrize("period", ["day", "month"])
def test_the_total_counts_groups_that_are_left_out(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, period: str
) -> None:
    monkeypatch.setattr(usage_module, "GROUPS_MAX", 2)
    rows = [call(n, model=f"model-{n}") for n in range(5)]

    async def work(reader: UsageReader) -> None:
        told = await reader.usage(ALL, (period, "model"))
        assert (len(told["data"]), told["truncated"]) == (2, True)
        assert (told["total"]["calls"], told["total"]["output_tokens"]) == (5, 100)

    use(place, tmp_path, rows, work)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("tenant", [None, "app"])
def test_pages_hold_each_call_once(
    place: Place, tmp_path: Path, order: Any, tenant: str | None
) -> None:
    # Some at the very same time.
    rows = [call(n, at_s=NOW_S + n // 4, tenant="app" if n % 3 else "b") for n in range(50)]

    async def work(reader: UsageReader) -> None:
        picks = {} if tenant is None else {"tenant": tenant}
        question = Question(ALL.first, ALL.last, picks)
        found: list[str] = []
        after = None
        while True:
            page = await reader.calls(question, limit=7, after=after, order=order)
            assert page is not None
            found += [each["id"] for each in page["data"]]
            after = page["last_id"]
            if not page["has_more"]:
                break
        wanted = [row for row in rows if tenant in (None, row.tenant)]
        wanted.sort(key=lambda row: (row.at_s, row.id), reverse=order == "desc")
        assert found == [row.id for row in wanted]
        assert await reader.calls(question, limit=7, after="no-such-call") is None

    use(place, tmp_path, rows, work)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("tenant", [None, "app"])
def test_a_search_for_few_says_how_far_it_came_and_goes_on(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: Any, tenant: str | None
) -> None:
    monkeypatch.setattr(usage_module, "WALK", 8)
    rows = [
        call(n, at_s=NOW_S + n // 4, tenant="app", status=502 if n in (3, 4, 40) else 200)
        for n in range(50)
    ]

    async def work(reader: UsageReader) -> None:
        picks = {} if tenant is None else {"tenant": tenant}
        question = Question(ALL.first, ALL.last, picks, status=502)
        found: list[str] = []
        after, pages, cut = None, 0, 0
        while True:
            page = await reader.calls(question, limit=2, after=after, order=order)
            assert page is not None
            found += [each["id"] for each in page["data"]]
            pages, cut = pages + 1, cut + (page["searched_to"] is not None)
            if not page["has_more"]:
                break
            after = page["last_id"]
        assert found == ["call-3", "call-4", "call-40"][:: 1 if order == "asc" else -1]
        assert pages - 1 == cut == 50 // 9
        assert page["searched_to"] is None

    use(place, tmp_path, rows, work)


def test_a_call_is_told_in_full(place: Place, tmp_path: Path) -> None:
    said = ContentRow("call-1", NOW_S + 1, "app", "a prompt", "an answer")

    async def work(reader: UsageReader) -> None:
        told = await reader.call("call-1")
        assert told is not None
        assert told["content"] == {"prompt": "a prompt", "answer": "an answer"}
        assert (told["cost_usd"], told["key"], told["streams"]) == (5e-7, "key-1", False)
        assert told["at"] == "2026-11-21T18:45:30.500+00:00"
        assert (told["duration_ms"], told["upstream_ms"]) == (1.0, 0.9)
        assert await reader.call("nothing") is None

    use(place, tmp_path, [call(1), said], work)


@pytest.fixture(scope="module")
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(sim: ThreadedSim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("usage")
    settings = {
        "providers": {"sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"}},
        "models": {"=fast": {"targets": ["sim/small"], "price": {"input": 1, "output": 2}}},
        "data_dir": str(folder / "data"),
    }
    with Gateway(folder / "gateway", settings) as made:
        for number in range(5):
            messages = [{"role": "user", "content": f"Question {number}"}]
            made.post("/v1/chat/completions", {"model": "=fast", "messages": messages})
        eventually(lambda: usage(made)["total"]["calls"] == 5)
        yield made


def usage(gateway: Gateway, query: str = "") -> Any:
    response = gateway.get(f"/admin/usage{query}")
    assert response.status == 200, response.body
    return response.json()


def test_the_console_tells_usage(gateway: Gateway) -> None:
    told = usage(gateway, "?group_by=day,model,cache")
    (group,) = told["data"]
    assert (group["model"], group["cache"], group["calls"]) == ("small", "miss", 5)
    assert group["cost_usd"] > 0


def test_the_console_tells_calls(gateway: Gateway) -> None:
    page = gateway.get("/admin/usage/calls?limit=2").json()
    assert (len(page["data"]), page["has_more"]) == (2, True)
    rest = gateway.get(f"/admin/usage/calls?after={page['last_id']}").json()
    assert (len(rest["data"]), rest["has_more"]) == (3, False)
    one = gateway.get(f"/admin/usage/calls/{page['first_id']}").json()
    assert one["id"] == page["first_id"]
    assert one["content"] is None
    assert gateway.get("/admin/usage/calls/nothing").status == 404
    assert gateway.get("/admin/usage/calls?status=404").json()["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        "?from=yesterday",
        "?from=2026-11-21&to=2026-11-20",
        "?group_by=colour",
        "?group_by=day,month",
        "?tenent=app",
        "?format=xml",
        "/calls?limit=0",
        "/calls?limit=1001",
        "/calls?limit=-1",
        "/calls?limit=1e9",
        "/calls?order=up",
        "/calls?after=nothing",
        "/calls?status=x",
        "/calls?group_by=model",
        "?to=0001-01-01&from=0000-01-01",
    ],
)
def test_what_is_asked_wrongly_is_told(gateway: Gateway, query: str) -> None:
    response = gateway.get(f"/admin/usage{query}")
    assert (response.status, response.error["code"]) == (400, "bad_usage_query")


@pytest.mark.parametrize(("path", "status"), [("?tenant=%00", 400), ("/calls/a%00", 404)])
def test_zero_bytes_are_told(gateway: Gateway, path: str, status: int) -> None:
    assert gateway.get(f"/admin/usage{path}").status == status


def test_days_at_the_ends_of_the_calendar(gateway: Gateway) -> None:
    assert usage(gateway, "?to=0001-01-01")["data"] == []
    assert usage(gateway, "?from=0001-01-01&to=9999-12-31")["total"]["calls"] == 5
    page = gateway.get("/admin/usage/calls?from=0001-01-01&to=9999-12-31")
    assert len(page.json()["data"]) == 5


@pytest.mark.parametrize("how", ["format", "accept"])
def test_csv(gateway: Gateway, how: str) -> None:
    headers = {"accept": "text/csv"} if how == "accept" else {}
    query = "?format=csv" if how == "format" else ""
    response = gateway.get(f"/admin/usage/calls{query}", headers=headers)
    assert response.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(response.body.decode())))
    assert len(rows) == 5
    assert rows[0]["asked"] == "'=fast"  # no formula
    sums = gateway.get(f"/admin/usage{query}", headers=headers)
    (group,) = csv.DictReader(io.StringIO(sums.body.decode()))
    assert (group["model"], group["calls"]) == ("small", "5")


def test_the_command_shows_a_table(gateway: Gateway, tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    shown = run("usage", "--url", gateway.url, environment=environment)
    assert shown.returncode == 0, shown.stderr
    assert "small" in shown.stdout
    assert "█" in shown.stdout
    as_csv = run("usage", "--url", gateway.url, "--csv", environment=environment)
    assert as_csv.stdout.splitlines()[0].startswith("model,calls,")
    config = str(gateway.config_file)
    direct = run("usage", "--config", config, "--json", environment=environment)
    assert '"calls": 5' in direct.stdout, direct.stderr
    wrong = run("usage", "--url", gateway.url, "--group-by", "colour", environment=environment)
    assert wrong.returncode == 1
    assert "group_by" in wrong.stderr

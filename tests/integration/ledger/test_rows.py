"""What stands in the ledger of a real gateway, however a call goes."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, SPEECHES, Speech
from tests.support.ledger import assert_sums, daily, stored, table
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

PRICE: Final = {"input": 10.0, "output": 30.0}
APP, OTHER = "hr-app", "hr-other"
KEYS: Final = (
    {"key": APP, "name": "app", "tenant": "acme"},
    {"key": OTHER, "name": "other", "tenant": "umbrella"},
)
TRICKLE: Final = {"x-sim-tokens": "200", "x-sim-token-ms": "10", "x-sim-ttft-ms": "10"}


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


def settings(sim: ThreadedSim, **more: Any) -> dict[str, Any]:
    retry, url = {"tries_max": 1}, f"{sim.url}/v1"
    return {
        "providers": {
            "sim": {"dialect": "openai", "base_url": url, "retry": retry},
            "slow": {"dialect": "openai", "base_url": url, "headers": TRICKLE, "retry": retry},
            "claude": {"dialect": "anthropic", "base_url": sim.url},
            "slow-claude": {"dialect": "anthropic", "base_url": sim.url, "headers": TRICKLE},
        },
        "models": {
            "fast": {"targets": ["sim/small"], "price": PRICE},
            "slow": {"targets": ["slow/slow"], "price": PRICE},
            "claude-fast": {"targets": ["claude/small"], "price": PRICE},
            "claude-slow": {"targets": ["slow-claude/small"], "price": PRICE},
            "vectors": {"targets": ["sim/embed"], "price": {"input": 1.0, "output": 0.0}},
        },
        "keys": list(KEYS),
        **more,
    }


class Books:
    """A gateway and what its ledger has."""

    def __init__(self, folder: Path, sim: ThreadedSim, **more: Any) -> None:
        self.data_dir = folder / "data"
        whole = {**settings(sim, **more), "data_dir": str(self.data_dir)}
        self.gateway = Gateway(folder / "gateway", whole)

    def __enter__(self) -> "Books":
        return self

    def __exit__(self, *what: object) -> None:
        self.gateway.__exit__(*what)

    def ask(self, speech: Speech = OPENAI, model: str = "fast", **fields: Any) -> Response:
        key = fields.pop("key", APP)
        headers = {"authorization": f"Bearer {key}", **fields.pop("headers", {})}
        return self.gateway.post(speech.path, speech.document(model, **fields), headers=headers)

    def rows(self, count: int) -> list[Mapping[str, Any]]:
        """The calls there are, once there are so many."""
        eventually(lambda: len(stored(self.data_dir)) >= count)
        rows = stored(self.data_dir)
        assert len(rows) == count, rows
        eventually(lambda: sum(day["calls"] for day in daily(self.data_dir)) == count)
        assert_sums(rows, daily(self.data_dir))
        return rows


def cost_nano(response: Response) -> int:
    return round(float(response.headers["x-headrace-cost-usd"]) * 1e9)


def by_id(rows: list[Mapping[str, Any]], response: Response) -> Mapping[str, Any]:
    (row,) = (row for row in rows if row["id"] == response.headers["x-request-id"])
    return row


@pytest.mark.heavy
@pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
def test_a_miss_and_its_repeats(tmp_path: Path, sim: ThreadedSim, speech: Speech) -> None:
    model = "claude-fast" if speech is ANTHROPIC else "fast"
    with Books(tmp_path, sim) as books:
        miss, hit, other = (books.ask(speech, model, key=key) for key in (APP, APP, OTHER))
        bypass = books.ask(speech, model, headers={"cache-control": "no-cache"})
        rows = books.rows(4)
        first, second, third = (by_id(rows, each) for each in (miss, hit, other))
        assert (first["cache"], second["cache"], third["cache"]) == ("miss", "l1", "miss")
        assert by_id(rows, bypass)["cache"] == "bypass"
        assert first["cost_nano"] == cost_nano(miss) > 0
        assert (second["cost_nano"], second["saved_nano"]) == (0, cost_nano(miss))
        assert (first["asked"], first["model"]) == (model, "small")
        assert (second["asked"], second["model"]) == (model, "small")
        assert (first["tenant"], first["key_name"]) == ("acme", "app")
        assert (third["tenant"], third["key_name"]) == ("umbrella", "other")
        assert first["input_tokens"] > 0
        assert second["output_tokens"] == first["output_tokens"] > 0
        assert not first["is_estimated"]
        assert (first["attempts"], second["attempts"]) == (1, 0)
        assert first["duration_us"] >= first["first_byte_us"] >= 0
        assert first["duration_us"] >= first["upstream_us"] > 0
        assert (first["status"], first["error"], first["purpose"]) == (200, "", "")


def test_embeddings(tmp_path: Path, sim: ThreadedSim) -> None:
    with Books(tmp_path, sim) as books:
        headers = {"authorization": f"Bearer {APP}"}
        document = {"model": "vectors", "input": ["a", "b"]}
        answer = books.gateway.post("/v1/embeddings", document, headers=headers)
        (row,) = books.rows(1)
        assert (row["operation"], row["output_tokens"]) == ("embeddings", 0)
        assert row["cost_nano"] == cost_nano(answer) > 0


def test_what_was_refused_or_failed_has_a_row(tmp_path: Path, sim: ThreadedSim) -> None:
    with Books(tmp_path, sim) as books:
        sim.script(Fault(kind=FaultKind.STATUS, status=500))
        answers = [books.ask(), books.ask(model="no-such-model"), books.ask(messages="nonsense")]
        assert books.ask(key="hr-nobody").status == 401  # nobody's, so no row
        rows = books.rows(3)
        for answer in answers:
            row = by_id(rows, answer)
            assert row["status"] == answer.status >= 400
            assert row["cost_nano"] == 0
        assert by_id(rows, answers[1])["error"] == "model_not_found"


@pytest.mark.heavy
@pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
def test_a_stream_whose_client_goes_away_costs_what_came(
    tmp_path: Path, sim: ThreadedSim, speech: Speech
) -> None:
    model = "claude-slow" if speech is ANTHROPIC else "slow"
    with Books(tmp_path, sim) as books:
        document = speech.document(model, stream=True)
        headers = {"authorization": f"Bearer {APP}"}
        with connect(books.gateway.url) as wire:
            wire.send(encode_request(speech.path, document, headers=headers))
            wire.read_until(b"data: ")
            for _ in range(10):
                wire.read_some()
        (row,) = books.rows(1)
        assert (row["status"], row["error"], row["streams"]) == (200, "client_gone", 1)
        assert row["is_estimated"]
        assert row["input_tokens"] > 0
        assert 1 <= row["output_tokens"] < 200
        dollars = row["input_tokens"] * 10 + row["output_tokens"] * 30
        assert row["cost_nano"] == pytest.approx(dollars * 1000, rel=0.01)


@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.RESET_MID, FaultKind.END_EARLY])
def test_a_stream_that_breaks_off_costs_what_came(
    tmp_path: Path, sim: ThreadedSim, kind: FaultKind
) -> None:
    with Books(tmp_path, sim) as books:
        sim.script(Fault(kind=kind, after_chunks=7))
        books.ask(stream=True)
        (row,) = books.rows(1)
        assert row["error"] != ""
        assert row["is_estimated"]
        assert 5 <= row["output_tokens"] <= 10
        assert row["cost_nano"] > 0


@pytest.mark.heavy
def test_a_deadline_costs_what_came(tmp_path: Path, sim: ThreadedSim) -> None:
    with Books(tmp_path, sim) as books:
        books.ask(model="slow", stream=True, headers={"x-headrace-deadline-ms": "1000"})
        (row,) = books.rows(1)
        assert row["error"] == "deadline_exceeded"
        assert row["output_tokens"] > 0
        assert row["cost_nano"] > 0


@pytest.mark.heavy
def test_who_joins_pays_nothing(tmp_path: Path, sim: ThreadedSim) -> None:
    with Books(tmp_path, sim) as books:
        answers: list[Response] = []

        def ask() -> None:
            answers.append(books.ask(model="slow", stream=True))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rows = books.rows(4)
        assert sorted(row["cache"] for row in rows) == ["joined"] * 3 + ["miss"]
        assert sum(row["cost_nano"] > 0 for row in rows) == 1


@pytest.mark.heavy
def test_who_leads_and_leaves_is_billed_when_the_call_has_ended(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    with Books(tmp_path, sim) as books:
        request = encode_request(
            OPENAI.path,
            OPENAI.document("slow", stream=True),
            headers={"authorization": f"Bearer {APP}"},
        )
        answers: list[Response] = []
        with connect(books.gateway.url) as leader:
            leader.send(request)
            leader.read_until(b"data: ")
            thread = threading.Thread(
                target=lambda: answers.append(books.ask(model="slow", stream=True))
            )
            thread.start()
            eventually(lambda: books.gateway.metrics()["headrace_flights_joined_total"] >= 1)
        thread.join()
        rows = books.rows(3)
        assert sorted(row["cache"] for row in rows) == ["joined", "miss", "miss"]
        assert by_id(rows, answers[0])["cost_nano"] == 0
        left = next(row for row in rows if row["purpose"] == "left")
        gone = next(row for row in rows if row["error"] == "client_gone")
        assert (gone["cost_nano"], gone["output_tokens"]) == (0, 0)
        assert left["cost_nano"] > 0
        assert (left["tenant"], left["key_name"]) == ("acme", "app")


def test_what_the_cache_asks_has_a_purpose(tmp_path: Path, sim: ThreadedSim) -> None:
    with Books(tmp_path, sim, cache={"ttl_s": 0.05, "stale_s": 60}) as books:
        books.ask()
        eventually(lambda: "stale" in " ".join(books.ask().headers))
        eventually(lambda: any(row["purpose"] != "" for row in stored(books.data_dir)))
        refreshed = [row for row in stored(books.data_dir) if row["purpose"] != ""]
        assert all(row["cost_nano"] > 0 for row in refreshed)
        assert all(row["tenant"] == "acme" for row in refreshed)


@pytest.mark.heavy
def test_what_was_said_is_kept_where_that_is_wanted(tmp_path: Path, sim: ThreadedSim) -> None:
    secret = "sk-" + "a1b2" * 8
    ledger = {"content": True, "redact": ["peculiar [a-z]+"]}
    with Books(tmp_path, sim, ledger=ledger) as books:
        text = f"my key is {secret}, write to a.b@example.com, a peculiar sentence"
        messages = [{"role": "user", "content": text}]
        for stream in (False, True):
            books.ask(model="slow" if stream else "fast", messages=messages, stream=stream)
        query = "SELECT * FROM headrace_call_contents"
        eventually(lambda: len(table(books.data_dir, query)) == 2)
        for row in table(books.data_dir, query):
            assert "my key is [redacted], write to [redacted], a [redacted]" in row["prompt"]
            assert '"choices"' in row["answer"]
        journals = [path.read_bytes() for path in (books.data_dir / "ledger").iterdir()]
        assert not any(secret.encode() in data for data in journals)


def test_nothing_that_was_said_is_kept_otherwise(tmp_path: Path, sim: ThreadedSim) -> None:
    with Books(tmp_path, sim) as books:
        books.ask(messages=[{"role": "user", "content": "a very peculiar sentence"}])
        books.rows(1)
        for path in books.data_dir.rglob("*"):
            assert not path.is_file() or b"peculiar" not in path.read_bytes()


def test_no_ledger_no_files(tmp_path: Path, sim: ThreadedSim) -> None:
    with Books(tmp_path, sim, ledger={"enabled": False}) as books:
        assert books.ask().status == 200
        assert not (books.data_dir / "ledger").exists()


def test_an_idle_gateway_opens_no_database(tmp_path: Path, sim: ThreadedSim) -> None:
    with Books(tmp_path, sim) as books:
        eventually((books.data_dir / "ledger" / "shipping.lock").exists)
        assert books.gateway.get("/healthz").status == 200
        assert not (books.data_dir / "records.sqlite3").exists()


@pytest.mark.heavy
def test_two_workers_share_a_ledger(tmp_path: Path, sim: ThreadedSim) -> None:
    with Books(tmp_path, sim, listen={"workers": 2}) as books:
        messages = [[{"role": "user", "content": f"Question {n}"}] for n in range(40)]
        answers = [books.ask(messages=each) for each in messages]
        rows = books.rows(40)
        assert {row["id"] for row in rows} == {each.headers["x-request-id"] for each in answers}
        assert len({row["id"].partition("-")[0] for row in rows}) == 2


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, sim: ThreadedSim) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "ledger").write_bytes(b"in the way")
    with Books(tmp_path, sim) as books:
        assert books.ask().status == 200
        assert "ledger_off" in [event["event"] for event in books.gateway.events()]

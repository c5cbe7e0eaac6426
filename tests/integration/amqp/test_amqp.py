"""Messages that become jobs, and what is told of them, with a real broker and real workers."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.jobs import JobHouse
from tests.support.rabbitmq import Correspondent, Post, RabbitServer
from tests.support.waiting import eventually


class Office:
    """A queue of this test's own, workers that serve it, and whoever writes to it."""

    def __init__(self, broker: RabbitServer, house: JobHouse, name: str) -> None:
        self.broker = broker
        self.house = house
        self.queue = f"{name}.jobs"
        self.letters = Correspondent(broker.url)
        self.amqp = {
            "url": broker.url,
            "queue": self.queue,
            "dead_letter_exchange": f"{name}.dead",
            "results_exchange": f"{name}.results",
        }

    def listen(self) -> None:
        self.letters.listen(f"{self.queue}.told", self.amqp["results_exchange"])

    def work(self, **amqp: Any) -> Any:
        return self.house.start_worker(amqp={**self.amqp, **amqp})

    def send(self, *posts: Post) -> None:
        self.letters.send(self.queue, *posts)

    def told(self, ends: int, found: list[Any]) -> bool:
        """Whether so many jobs were told to have ended; `found` gets what was told."""
        found += self.letters.read(f"{self.queue}.told")
        return len({each.correlation_id for each in found if each.type == "job"}) >= ends

    def has_begun(self) -> bool:
        """Whether each job there is has been begun."""
        jobs = self.house.page()
        return bool(jobs) and all(self.house.effects(each.id, "began") for each in jobs)

    def dead(self) -> list[Any]:
        return self.letters.read(f"{self.queue}.dead")


@pytest.fixture
def office(
    broker: RabbitServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Office]:
    with JobHouse("sqlite", tmp_path / "house") as house:
        yield Office(broker, house, f"t{abs(hash(request.node.nodeid))}")


def job(message_id: str, kind: str = "nothing", number: int = 0, **more: Any) -> Post:
    wanted = {"kind": kind, "input": {"number": number}}
    return Post(json.dumps(wanted).encode(), message_id=message_id, **more)


@pytest.mark.heavy
def test_messages_become_jobs_and_are_told_of(office: Office) -> None:
    office.listen()
    office.work()
    office.send(
        job("a", number=7),
        job("b", "sleep", correlation_id="order 12"),
        job("c", "fail", number=-1),
    )
    found: list[Any] = []
    eventually(lambda: office.told(3, found))
    ends = {each.correlation_id: each for each in found if each.type == "job"}
    assert set(ends) == {"a", "order 12", "c"}
    done = json.loads(ends["a"].body)
    assert (done["state"], done["result"]) == ("succeeded", 7)
    assert ends["a"].routing_key == "job.nothing.succeeded"
    assert ends["a"].message_id.startswith(f"{done['id']}-")
    assert json.loads(ends["c"].body)["error"]["code"] == "hopeless"
    assert ends["c"].routing_key == "job.fail.failed"
    (progress,) = [each for each in found if each.type == "progress"]
    assert progress.routing_key == "job.sleep.progress"
    assert json.loads(progress.body)["data"] == {"progress": 0.5, "doing": "asleep"}
    assert office.letters.waiting(office.queue) == 0


def test_the_same_message_is_the_same_job(office: Office) -> None:
    office.listen()
    office.work()
    office.send(*[job("once", "sleep")] * 3, job("other", "sleep"))
    found: list[Any] = []
    eventually(lambda: office.told(2, found))
    eventually(lambda: office.letters.waiting(office.queue) == 0)
    jobs = office.house.page()
    assert len(jobs) == 2
    for each in jobs:
        assert len(office.house.effects(each.id, "began")) == 1


NO_JOBS = {
    "no_message_id": Post(b'{"kind": "nothing"}', message_id="rings\x07"),
    "invalid_json": Post(b'{"kind"', message_id="a"),
    "not_utf8": Post(b'{"kind": "\xff"}', message_id="b"),
    "deep": Post(b'{"kind": "nothing", "input": ' + b"[" * 100_000, message_id="c"),
    "invalid_job": Post(b'[{"kind": "nothing"}]', message_id="d"),
    "unknown_field": Post(b'{"kind": "nothing", "tenant": "another"}', message_id="e"),
    "unknown_kind": Post(b'{"kind": "nothnig"}', message_id="f"),
    "invalid_input": Post(b'{"kind": "nothing", "input": {"number": "x"}}', message_id="g"),
    "reused": Post(b'{"kind": "nothing", "input": {"number": 2}}', message_id="good"),
    "huge": Post(b'{"kind": "nothing", "input": "' + b"x" * (32 << 20) + b'"}', message_id="h"),
}
REASONS = {
    "not_utf8": "invalid_json",
    "deep": "invalid_json",
    "unknown_field": "invalid_job",
    "reused": "idempotency_key_reused",
    "huge": "invalid_input",
}


def test_what_is_no_job_is_put_aside_with_the_reason(office: Office) -> None:
    office.listen()
    office.work()
    office.send(job("good"))
    eventually(lambda: office.told(1, []))
    office.send(*NO_JOBS.values(), job("last"))
    eventually(lambda: office.told(1, []))
    dead: list[Any] = []
    eventually(lambda: dead.extend(office.dead()) or len(dead) >= len(NO_JOBS))
    why = {each.body: each.headers for each in dead}
    for name, post in NO_JOBS.items():
        told = why[post.body]
        assert told["headrace-reason"] == REASONS.get(name, name), told
        assert told["headrace-queue"] == office.queue
    assert "there are block" in why[NO_JOBS["unknown_kind"].body]["headrace-detail"]
    assert len(office.house.page()) == 2


@pytest.mark.heavy
def test_a_broker_that_dies_loses_nothing(office: Office) -> None:
    office.listen()
    office.work(prefetch=5)
    office.send(*[job(f"m{at}") for at in range(200)])
    eventually(lambda: office.letters.waiting(office.queue) < 190)
    office.broker.kill()
    office.broker.start()
    found: list[Any] = []
    eventually(lambda: office.told(200, found), 90)
    eventually(lambda: office.letters.waiting(office.queue) == 0)
    ends = [each for each in found if each.type == "job"]
    assert {each.correlation_id for each in ends} == {f"m{at}" for at in range(200)}
    ids = {json.loads(each.body)["id"] for each in ends}
    assert len(ids) == 200
    assert len({each.message_id for each in ends}) == 200  # what was told twice can be told
    assert "jobs_amqp_lost" in office.house.log


def test_a_worker_that_is_killed_loses_nothing_and_does_nothing_twice(office: Office) -> None:
    office.listen()
    first = office.work(prefetch=5)
    office.send(*[job(f"m{at}", "sleep") for at in range(100)])
    eventually(lambda: office.letters.waiting(office.queue) < 80)
    first.kill()
    first.wait(20)
    office.work()
    found: list[Any] = []
    eventually(lambda: office.told(100, found), 90)
    ids = {json.loads(each.body)["id"] for each in found if each.type == "job"}
    assert len(ids) == 100
    assert len(office.house.page(limit=100)) == 100


def test_a_worker_that_is_told_to_end_leaves_the_rest_to_others(office: Office) -> None:
    office.listen()
    worker = office.work()
    office.send(job("before", "sleep"))
    found: list[Any] = []
    eventually(office.has_begun)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    assert office.told(1, found)  # it was told before the end
    office.send(job("after"))
    assert office.letters.waiting(office.queue) == 1
    office.work()
    eventually(lambda: office.told(1, []))


def test_jobs_are_done_while_there_is_no_broker(office: Office, tmp_path: Path) -> None:
    secret = "amqp://guest:hunter2@127.0.0.1:1/"
    office.work(url=secret)
    (other,) = office.house.submit("nothing")
    assert office.house.ended(other).state == "succeeded"
    eventually(lambda: "jobs_amqp_lost" in office.house.log)
    assert "hunter2" not in office.house.log


def test_a_broker_that_refuses_the_password_is_tried_again(office: Office) -> None:
    wrong = office.broker.url.replace("guest:guest", "guest:hunter2")
    office.work(url=wrong)
    eventually(lambda: "jobs_amqp_lost" in office.house.log)
    assert "hunter2" not in office.house.log
    assert "ACCESS_REFUSED" in office.house.log


def test_two_workers_share_the_messages(office: Office) -> None:
    office.listen()
    office.work(prefetch=1)
    office.work(prefetch=1)
    office.send(*[job(f"m{at}") for at in range(60)])
    found: list[Any] = []
    eventually(lambda: office.told(60, found))
    assert len(office.house.page(limit=100)) == 60
    assert len([each for each in found if each.type == "job"]) == 60

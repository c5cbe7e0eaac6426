"""Jobs through a gateway: its API, the worker that it starts by itself, and their ends."""

import json
import os
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
from tests.support import headrace_process
from tests.support.gateway import Gateway
from tests.support.job_gateways import (
    KEY,
    LONE,
    OTHER,
    Begin,
    ask,
    chats,
    ended,
    question,
    read_events,
    settings,
    submit,
    worker_of,
)
from tests.support.waiting import eventually

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that nobody ends: each test looks for what it did itself."""
    folder = tmp_path_factory.mktemp("jobs")
    with (
        running(SimOptions()) as sim,
        Gateway(folder / "gateway", settings(sim, folder / "data")) as served,
    ):
        yield served


def test_a_job_is_done_for_the_key_that_submitted_it(gateway: Gateway) -> None:
    status, job = ask(gateway, "/v1/jobs", question("Say hello"), key=LONE)
    assert status == 202
    told = ended(gateway, job["id"], key=LONE)
    assert (told["state"], told["attempts"], told["error"]) == ("succeeded", 1, None)
    assert told["result"]["text"]
    assert told["input"]["prompt"] == "Say hello"
    (_,) = eventually(lambda: [call for call in chats(gateway) if call["tenant"] == "lone"])
    assert LONE not in gateway.log + gateway.stderr


def test_a_gateway_at_rest_starts_no_worker(begin: Begin) -> None:
    gateway = begin()
    assert ask(gateway, "/v1/jobs")[1]["data"] == []
    assert psutil.Process(gateway.process.pid).children(recursive=True) == []


def test_tenants_do_not_see_each_other(gateway: Gateway) -> None:
    job = submit(gateway, "Say hello")
    for path, method in [
        (f"/v1/jobs/{job}", "GET"),
        (f"/v1/jobs/{job}", "DELETE"),
        (f"/v1/jobs/{job}/retry", "POST"),
        (f"/v1/jobs/{job}/events", "GET"),
        (f"/v1/jobs/{job}/files/x", "GET"),
        (f"/api/task/{job}", "GET"),
    ]:
        status, told = ask(gateway, path, method=method, key=OTHER)
        assert (status, told["error"]["code"]) == (404, "unknown_job"), path
    assert ask(gateway, "/api/tasks", key=OTHER)[1] == {"tasks": [], "has_more": False}


def test_nobody_else_may_ask_for_another(gateway: Gateway) -> None:
    headers = {"x-headrace-for": "tenant:app"}
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    path = "/v1/chat/completions"
    theirs = gateway.post(path, body, headers={**headers, "authorization": f"Bearer {OTHER}"})
    assert theirs.status == 200
    assert ask(gateway, path, body, key="", headers=headers)[0] == 401

    def told() -> list[str]:
        wanted = theirs.headers["x-request-id"]
        return [call["tenant"] for call in chats(gateway) if call["request_id"] == wanted]

    assert eventually(told) == ["other"]


def test_the_simple_face(gateway: Gateway) -> None:
    status, task = ask(gateway, "/api/create", {"prompt": "Say hello"})
    assert (status, task["status"]) == (202, "pending")
    ended(gateway, task["task_id"])
    done = ask(gateway, f"/api/task/{task['task_id']}")[1]
    assert (done["status"], done["progress"]) == ("completed", 1.0)
    assert done["result"]["text"]
    listed = ask(gateway, "/api/tasks")[1]["tasks"][0]
    assert (listed["task_id"], listed["status"]) == (done["task_id"], "completed")
    assert "result" not in listed
    status, told = ask(gateway, "/api/create", {"wish": "x"})
    assert (status, told["error"]["code"]) == (400, "invalid_request")


def test_the_header_makes_it_the_same_job(gateway: Gateway) -> None:
    once = {"idempotency-key": "k"}
    first = ask(gateway, "/v1/jobs", question("Say hello"), headers=once)[1]["id"]
    assert ask(gateway, "/v1/jobs", question("Say hello"), headers=once)[1]["id"] == first
    status, told = ask(gateway, "/v1/jobs", question("Say bye"), headers=once)
    assert (status, told["error"]["code"]) == (409, "idempotency_key_reused")
    for key in ("", "k" * 256):
        for path, body in (("/v1/jobs", question("x")), ("/api/create", {"prompt": "x"})):
            status, told = ask(gateway, path, body, headers={"idempotency-key": key})
            assert (status, told["error"]["param"]) == (400, "idempotency_key")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/jobs", {"kind": "sing"}, 400, "unknown_kind"),
        ("/v1/jobs", {"kind": "generate", "input": {"model": "m"}}, 400, "invalid_request"),
        ("/v1/jobs", question("x", queue="nowhere"), 400, "unknown_queue"),
        ("/v1/jobs", question("x", callback="http://a"), 400, "invalid_request"),
        ("/v1/jobs", [], 400, "invalid_request"),
        ("/v1/jobs?limit=0", None, 400, "invalid_request"),
        ("/v1/jobs?limit=1000", None, 400, "invalid_request"),
        ("/v1/jobs?state=sad", None, 400, "invalid_request"),
        ("/v1/jobs?offset=7", None, 400, "invalid_request"),
        ("/v1/jobs/job_nothing", None, 404, "unknown_job"),
    ],
)
def test_what_is_wrong_is_told(
    gateway: Gateway, path: str, body: Any, status: int, code: str
) -> None:
    got, told = ask(gateway, path, body)
    assert (got, told["error"]["code"]) == (status, code)


def test_files_are_found_by_name_and_nowhere_else(gateway: Gateway) -> None:
    job = submit(gateway, "Say hello")
    ended(gateway, job)
    data = gateway.config_file.parent.parent / "data"
    folder = data / "jobs" / job / "files"
    folder.mkdir(parents=True)
    (folder / "a file.txt").write_text("kept")
    (data / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(data / "secret.txt")
    assert ask(gateway, f"/v1/jobs/{job}")[1]["files"] == [{"name": "a file.txt", "bytes": 4}]
    assert ask(gateway, f"/v1/jobs/{job}/files/a%20file.txt") == (200, b"kept")
    for name in ("link.txt", "..%2f..%2f..%2fsecret.txt", "..", "%2e%2e", "no", "a%00b"):
        assert ask(gateway, f"/v1/jobs/{job}/files/{name}")[0] == 404, name


def test_events_end_with_the_job_and_can_be_taken_up_again(gateway: Gateway) -> None:
    job = submit(gateway, "Say hello")
    events = read_events(gateway, job)
    numbers = [number for number, *_ in events]
    assert numbers == sorted(set(numbers))
    assert {name for _, name, _ in events} == {"job"}
    assert events[-1][2]["state"] == "succeeded"
    assert read_events(gateway, job, last=numbers[0])[-1] == events[-1]
    assert [name for _, name, _ in read_events(gateway, job, last=numbers[-1])] == ["job"]
    assert ask(gateway, f"/v1/jobs/{job}/events", headers={"last-event-id": "x"})[0] == 400


def test_a_refusal_fails_at_once_and_may_be_tried_again(gateway: Gateway) -> None:
    status, job = ask(
        gateway, "/v1/jobs", {"kind": "generate", "input": {"model": "gone", "prompt": "Hi"}}
    )
    assert status == 202
    told = ended(gateway, job["id"])
    assert (told["state"], told["attempts"]) == ("failed", 1)
    assert told["error"]["code"] == "model_not_found"
    dead = ask(gateway, "/v1/jobs?state=failed")[1]
    assert job["id"] in [each["id"] for each in dead["data"]]
    assert ask(gateway, f"/v1/jobs/{job['id']}/retry", method="POST")[0] == 202


def test_a_running_job_is_cancelled_with_its_call(begin: Begin, sim: ThreadedSim) -> None:
    gateway = begin(pace={"x-sim-ttft-ms": "60000"})
    job = submit(gateway, "Say hello")
    eventually(lambda: ask(gateway, f"/v1/jobs/{job}")[1]["state"] == "running")
    assert ask(gateway, f"/v1/jobs/{job}", method="DELETE")[0] in (200, 202)
    assert ended(gateway, job)["state"] == "cancelled"
    assert ask(gateway, f"/v1/jobs/{job}", method="DELETE")[0] == 200


def test_workers_of_one_gateway_share_one_worker_of_jobs(begin: Begin) -> None:
    gateway = begin(listen={"workers": 2})
    jobs = [submit(gateway, f"Say {number}") for number in range(12)]
    assert [ended(gateway, job)["state"] for job in jobs] == ["succeeded"] * 12

    def has_one() -> bool:
        """Another that was started at the same time finds the lock held, and ends."""
        children = psutil.Process(gateway.process.pid).children(recursive=True)
        return len([each for each in children if _is_job_worker(each)]) == 1

    eventually(has_one, 30.0)


def _is_job_worker(process: psutil.Process) -> bool:
    try:
        return any("jobs_worker" in word for word in process.cmdline())
    except psutil.Error:  # it ended meanwhile
        return False


def test_a_gateway_that_speaks_tls_has_its_jobs_done(begin: Begin, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("gateway.example")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    gateway = begin(listen={"tls": {"cert": str(cert), "key": str(key)}})
    trust = ssl.create_default_context()
    trust.check_hostname = False
    authority.configure_trust(trust)
    new = urllib.request.Request(f"{gateway.url}/v1/jobs", json.dumps(question("x")).encode())
    new.add_header("authorization", f"Bearer {KEY}")
    with urllib.request.urlopen(new, timeout=60, context=trust) as answer:
        assert answer.status == 202
    eventually(lambda: chats(gateway), 60.0)


def change_jobs(gateway: Gateway, **jobs: Any) -> None:
    settings = json.loads(gateway.config_file.read_text("utf-8"))
    gateway.write_settings({**settings, "jobs": {**settings["jobs"], **jobs}})
    assert gateway.reload()["event"] == "reloaded"


def test_the_worker_goes_by_settings_that_were_read_again(begin: Begin) -> None:
    gateway = begin()
    ended(gateway, submit(gateway, "Say hello"))
    worker = worker_of(gateway)
    change_jobs(gateway, queues={"another": {}})
    assert ended(gateway, submit(gateway, "Say hello", queue="another"))["state"] == "succeeded"
    assert not worker.is_running()
    assert "jobs_worker_died" not in gateway.log


def test_schedules_that_are_new_have_a_worker(begin: Begin) -> None:
    gateway = begin()
    yearly = {"cron": "0 0 1 1 *", "kind": "generate", "input": '{"model": "m", "prompt": "x"}'}
    change_jobs(gateway, schedules={"yearly": yearly})
    assert worker_of(gateway).is_running()


def test_where_jobs_are_off_there_are_none(begin: Begin) -> None:
    gateway = begin(jobs={"enabled": False})
    assert ask(gateway, "/v1/jobs", question("x"))[0] == 404


def test_a_worker_apart_does_what_the_gateway_leaves(begin: Begin) -> None:
    gateway = begin(jobs={"embedded": False, "poll_ms": 20})
    job = submit(gateway, "Say hello")
    worker = headrace_process.start(
        *("jobs", "work", "--config", str(gateway.config_file), "--gateway", gateway.url),
        environment={**os.environ, "HEADRACE_KEY": OTHER},
        folder=gateway.config_file.parent,
    )
    try:
        assert ended(gateway, job)["state"] == "succeeded"
        (call,) = eventually(lambda: chats(gateway))
        assert call["tenant"] == "other"
    finally:
        assert headrace_process.told_to_end(worker) == 0

"""Gateways with jobs, and what tests ask them."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import psutil
from tests.support.gateway import Gateway
from tests.support.waiting import eventually

from headrace.sim.thread import ThreadedSim

KEY: Final = "key-of-the-app-0123456789"
OTHER: Final = "key-of-the-other-0123456789"
# Of one test only, so that the log tells its calls apart.
LONE: Final = "key-of-the-lone-0123456789"
Begin = Callable[..., Gateway]


def settings(
    sim: ThreadedSim, data_dir: Path, pace: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    provider = {"dialect": "openai", "base_url": f"{sim.url}/v1", "headers": pace or {}}
    return {
        "providers": {"sim": provider},
        "models": {"m": {"targets": ["sim/m"]}},
        "keys": [{"key": key, "tenant": key.split("-")[3]} for key in (KEY, OTHER, LONE)],
        "data_dir": str(data_dir),
        "jobs": {"poll_ms": 20, "lease_s": 2, "retry_s": 0.05, "grace_s": 0.5},
        **more,
    }


def ask(
    gateway: Gateway,
    path: str,
    body: Any = None,
    *,
    method: str | None = None,
    key: str = KEY,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(gateway.url + path, data=data, method=method)
    request.add_header("authorization", f"Bearer {key}")
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, read = answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            status, read = refused.code, refused.read()
    return status, json.loads(read) if read[:1] in (b"{", b"[") else read


def question(prompt: str, **more: Any) -> dict[str, Any]:
    return {"kind": "generate", "input": {"model": "m", "prompt": prompt}, **more}


def submit(gateway: Gateway, prompt: str, **more: Any) -> str:
    status, job = ask(gateway, "/v1/jobs", question(prompt, **more))
    assert status == 202, job
    assert job["state"] == "waiting"
    return str(job["id"])


def ended(gateway: Gateway, job: str, key: str = KEY) -> dict[str, Any]:
    def told() -> Any:
        found = ask(gateway, f"/v1/jobs/{job}", key=key)[1]
        return found if found["ended_at"] else None

    found: dict[str, Any] = eventually(told, 90.0)
    return found


def chats(gateway: Gateway) -> list[dict[str, Any]]:
    return [line for line in gateway.requests() if line["route"] == "chat"]


def worker_of(gateway: Gateway) -> psutil.Process:
    def found() -> list[psutil.Process]:
        children = psutil.Process(gateway.process.pid).children(recursive=True)
        return [child for child in children if any("jobs_worker" in w for w in child.cmdline())]

    return eventually(found)[0]


def read_events(gateway: Gateway, job: str, last: int | None = None) -> list[tuple[int, str, Any]]:
    headers = {} if last is None else {"last-event-id": str(last)}
    text = ask(gateway, f"/v1/jobs/{job}/events", headers=headers)[1].decode()
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line[1:])
        if "data" in fields:
            events.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return events

"""What a worker of jobs tells Prometheus of its broker."""

import json
import os
import re
import urllib.request
from pathlib import Path

import pytest
from tests.support import headrace_process
from tests.support.rabbitmq import Correspondent, Post, RabbitServer
from tests.support.waiting import eventually

from headrace.observe.families import AMQP, FAMILIES

KIND = json.dumps({"kind": "generate", "input": {"model": "m", "prompt": "x"}}).encode()
OURS = "headrace_amqp_"
AWAY = f"{OURS}away_seconds"


def told(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(\S+) (\S+)$", text, re.MULTILINE)}


def messages(url: str) -> dict[str, float]:
    page = told(url)
    return {what: page[f'{OURS}messages_total{{outcome="{what}"}}'] for what in AMQP.values}


@pytest.mark.heavy
def test_messages_are_counted_through_the_loss_of_the_broker(
    broker: RabbitServer, tmp_path: Path
) -> None:
    letters = Correspondent(broker.url)
    amqp = {
        "url": broker.url,
        "queue": "metrics.jobs",
        "dead_letter_exchange": "metrics.dead",
        "results_exchange": "metrics.results",
    }
    config = tmp_path / "headrace.yaml"
    providers = {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:9/v1"}}
    log = tmp_path / "worker.log"
    config.write_text(
        json.dumps(
            {
                "providers": providers,
                "jobs": {"amqp": amqp, "poll_ms": 20},
                "data_dir": str(tmp_path / "data"),
                "log": {"file": str(log), "format": "json"},
            }
        )
    )
    worker = headrace_process.start(
        *("jobs", "work", "--config", str(config), "--metrics", "127.0.0.1:0"),
        environment={**os.environ},
        folder=tmp_path,
    )
    try:

        def said(event: str) -> list[dict[str, str]]:
            lines = log.read_text().splitlines() if log.exists() else []
            return [each for each in map(json.loads, lines) if each.get("event") == event]

        url = eventually(lambda: [each["url"] for each in said("jobs_metrics")], 60.0)[0]
        eventually(lambda: told(url)[f"{OURS}connects_total"] == 1)
        every = {name.partition("{")[0] for name in told(url)}
        assert {family.name for family in FAMILIES if family.name.startswith(OURS)} <= every
        letters.send("metrics.jobs", Post(KIND, message_id="a"), Post(b"{", message_id="b"))
        wanted = {"consumed": 2.0, "acknowledged": 2.0, "returned": 0.0, "dead_lettered": 1.0}
        eventually(lambda: messages(url) == wanted)
        assert told(url)[f"{OURS}inflight"] == 0
        broker.kill()
        eventually(lambda: told(url)[AWAY])
        assert told(url)[f"{OURS}connections_lost_total"] >= 1
        broker.start()
        eventually(lambda: told(url)[f"{OURS}connects_total"] >= 2, 90.0)
        assert told(url)[AWAY] == 0
        with pytest.raises(urllib.error.HTTPError, match="404"):
            told(url.removesuffix("/metrics"))
    finally:
        assert headrace_process.told_to_end(worker) == 0


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    done = headrace_process.run(
        *("jobs", "work", "--metrics", "here", "--data-dir", str(tmp_path)),
        environment={**os.environ, "OPENAI_API_KEY": "k"},
    )
    assert done.returncode != 0
    assert "--metrics: expected HOST:PORT such as 127.0.0.1:9465, not 'here'" in done.stderr

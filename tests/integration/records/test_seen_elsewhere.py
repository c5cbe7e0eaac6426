"""What a client was told by one gateway is in the lists of another, however late a standby is."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.batches import jsonl, line
from tests.support.gateway import Gateway
from tests.support.postgres import find_binaries
from tests.support.replication import Cluster, cluster
from tests.support.waiting import eventually

SEEN: Final = "x-headrace-seen"
FORM: Final = (
    b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    + jsonl([line(0)])
    + b"\r\n--b--\r\n"
)


@pytest.fixture(scope="module")
def servers() -> Iterator[Cluster]:
    binaries = find_binaries()
    if binaries is None or not (binaries / "pg_basebackup").exists():
        pytest.skip("no PostgreSQL here that can make standbys")
    with cluster(binaries, 1) as found:
        yield found


@pytest.fixture
def gateways(servers: Cluster, tmp_path: Path) -> Iterator[list[Gateway]]:
    """Two, as on two machines, that ask the standby for their lists."""
    (standby,) = servers.standbys
    told: dict[str, Any] = {
        "providers": {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:9/v1"}},
        "store": {"url": servers.primary.url, "replicas": [standby.url], "replica_lag_s_max": 600},
    }
    with ExitStack() as stack:
        yield [stack.enter_context(Gateway(tmp_path / name, told)) for name in ("one", "two")]
        servers.settle()


def send(gateway: Gateway) -> tuple[str, str]:
    """The id of a file that is sent, and what the gateway says of how much its client has seen."""
    form = {"content-type": "multipart/form-data; boundary=b"}
    answer = gateway.post("/v1/files", body=FORM, headers=form)
    assert answer.status == 200, answer.body
    return answer.json()["id"], answer.headers[SEEN]


def listed(gateway: Gateway, **headers: str) -> set[str]:
    answer = gateway.get("/v1/files", headers=headers)
    assert answer.status == 200
    return {each["id"] for each in answer.json()["data"]}


@pytest.mark.heavy
def test_lists_of_another_machine_hold_what_a_client_has_seen(
    servers: Cluster, gateways: list[Gateway]
) -> None:
    one, two = gateways
    (standby,) = servers.standbys
    early, _ = send(one)
    servers.settle()
    eventually(lambda: early in listed(two))
    at_once = 'headrace_standby_reads_total{outcome="at_once"}'
    eventually(lambda: listed(two) and two.metrics().get(at_once))
    standby.pause()
    late, seen = send(one)
    assert late in listed(one)
    assert late in listed(two, **{SEEN: seen})
    # The answer of the other one carries it on.
    on = two.get("/v1/files", headers={SEEN: seen}).headers[SEEN]
    assert int(on.removeprefix("h1-"), 16) >= int(seen.removeprefix("h1-"), 16)


@pytest.mark.heavy
@pytest.mark.parametrize("token", ["h1-ffffffffffffffff", "h1-", "h2-1", "0/3000148", "x" * 5000])
def test_what_clients_make_up_holds_nobody_up(gateways: list[Gateway], token: str) -> None:
    one, two = gateways
    sent, _ = send(one)
    eventually(lambda: sent in listed(two))
    in_vain = 'headrace_standby_reads_total{outcome="in_vain"}'
    before = two.metrics().get(in_vain, 0.0)
    for _ in range(20):
        assert sent in listed(two, **{SEEN: token})
    assert two.metrics().get(in_vain, 0.0) == before
    assert two.bugs() == []

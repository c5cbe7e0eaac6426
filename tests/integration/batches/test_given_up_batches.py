"""Batches at a provider's Batch API that are cancelled here."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.batches.conftest import Begin, settings
from tests.integration.batches.test_handed_batches import (
    AT_ONCE,
    HELD,
    chats,
    lines,
    provider_batches,
    until_handed,
)
from tests.support.batches import begin, client, until
from tests.support.gateway import Gateway
from tests.support.waiting import eventually

from headrace.sim.batch_api import BatchTerms
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim


def assert_cancelled(sdk: Any, batch_id: str, gateway: Gateway) -> None:
    """Cancelled without an answer, and nothing under way any more."""
    batch = until(sdk, batch_id)
    assert (batch.status, batch.request_counts.completed) == ("cancelled", 0)
    eventually(lambda: gateway.metrics()["headrace_batches_running"] == 0)
    assert gateway.bugs() == []


@pytest.mark.heavy
@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
def test_a_batch_is_cancelled_while_its_provider_does_not_take_it(
    begin_gateway: Begin, sim: ThreadedSim, path: str
) -> None:
    # Whether the provider has a batch is known, and not.
    sim.script(Fault(kind=FaultKind.STATUS, path=path, status=500, times=None))
    gateway = begin_gateway(handed={**AT_ONCE, "tries": 10})
    with client(gateway.url) as sdk:
        batch_id = begin(sdk, lines())
        eventually(lambda: sim.stats().faults_applied)
        sdk.batches.cancel(batch_id)
        assert_cancelled(sdk, batch_id, gateway)
    assert chats(sim) == 0


@pytest.mark.heavy
def test_a_batch_is_cancelled_whose_answers_cannot_be_had(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    sim.batch_by(HELD)
    gateway = begin_gateway(handed=AT_ONCE)
    with client(gateway.url) as sdk:
        batch_id = begin(sdk, lines())
        until_handed(sim)
        path = f"/v1/batches/{provider_batches(sim)[0].id}"
        faulty = (path, f"{path}/cancel")
        sim.script(
            *(Fault(kind=FaultKind.STATUS, path=each, status=503, times=None) for each in faulty)
        )
        sdk.batches.cancel(batch_id)
        assert_cancelled(sdk, batch_id, gateway)
    assert chats(sim) == 0


def elsewhere(sim: ThreadedSim) -> dict[str, Any]:
    """Settings by which the provider has another name, and takes no batches."""
    others = settings(sim.url, Path())
    others["models"]["m"]["targets"] = ["other/m"]
    return {"providers": {"other": others["providers"]["sim"]}, "models": others["models"]}


@pytest.mark.heavy
@pytest.mark.parametrize("is_there", [True, False])
def test_lines_of_a_batch_that_was_cancelled_are_asked_of_nobody_else(
    begin_gateway: Begin, sim: ThreadedSim, *, is_there: bool
) -> None:
    sim.batch_by(BatchTerms(delay_s=None, answered_max=10, cancels=False))
    first = begin_gateway(handed=AT_ONCE)
    with client(first.url) as sdk:
        batch_id = begin(sdk, lines())
        until_handed(sim)
        sdk.batches.cancel(batch_id)
        eventually(lambda: provider_batches(sim)[0].status == "cancelling")
    first.kill()
    sim.batch_by(BatchTerms(delay_s=None, answered_max=10))
    second = begin_gateway() if is_there else begin_gateway(**elsewhere(sim))
    with client(second.url) as sdk:
        batch = until(sdk, batch_id)
        completed = 10 if is_there else 0
        assert (batch.status, batch.request_counts.completed) == ("cancelled", completed)
    assert chats(sim) == 0
    assert second.bugs() == []


def test_a_batch_is_cancelled_whose_provider_has_left_the_settings(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    sim.batch_by(HELD)
    gateway = begin_gateway(handed={"poll_s": 3600})
    with client(gateway.url) as sdk:
        batch_id = begin(sdk, lines())
        until_handed(sim)
        path = f"/v1/batches/{provider_batches(sim)[0].id}"
        eventually(lambda: path in sim.stats().requests)  # it is waited for
        told = json.loads(gateway.config_file.read_text())
        gateway.write_settings({**told, **elsewhere(sim)})
        assert gateway.reload()["event"] == "reloaded"
        sdk.batches.cancel(batch_id)
        assert_cancelled(sdk, batch_id, gateway)
    assert chats(sim) == 0

"""Streams that break off in every way: where the model is set to, callers see one good stream."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI, SPEECHES, Speech
from tests.support.provider import scripted, streamed
from tests.support.replies import delta

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

speeches = pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "hedged"])
def simulated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, ThreadedSim]]:
    with running(SimOptions()) as sim:
        retry = {"budget_floor": 1000}
        lane = {"base_url": f"{sim.url}/v1", "idle_timeout_s": 0.8, "retry": retry}
        hedge = {"enabled": request.param, "same_target": True, "samples_min": 1}
        lane["hedge"] = {**hedge, "after_ms_min": 1, "share_max": 1}
        providers = {speech.name: {"dialect": speech.name, **lane} for speech in SPEECHES}
        models = {
            f"{speech.name}-on": {"targets": [f"{speech.name}/m"], "continue_streams": True}
            for speech in SPEECHES
        }
        settings = {"providers": providers, "models": models}
        with Gateway(tmp_path_factory.mktemp("simulated"), settings) as gateway:
            yield gateway, sim
            gateway.wait_until_quiet()


@speeches
@pytest.mark.parametrize(
    "kind",
    [FaultKind.CUT, FaultKind.RESET_MID, FaultKind.STALL_MID, FaultKind.END_EARLY],
    ids=str,
)
@pytest.mark.parametrize("after", [0, 1, 7])
def test_every_break_leads_to_one_good_stream(
    simulated: tuple[Gateway, ThreadedSim], speech: Speech, kind: FaultKind, after: int
) -> None:
    gateway, sim = simulated
    sim.script(Fault(kind=kind, after_chunks=after))
    seed = 100 * after + list(FaultKind).index(kind)
    document = speech.document(f"{speech.name}-on", stream=True, seed=seed)
    response = gateway.post(speech.path, document)
    assert response.is_whole
    assert response.body.count(b'"role":"assistant"') == 1
    assert speech.final in response.events[-1]
    assert sum(speech.final in data for data in response.events) == 1


def test_the_budget_of_the_provider_bounds_it(tmp_path: Path) -> None:
    with scripted() as one:
        beginning = delta("Clear ", role="assistant")
        one.answers = [streamed(beginning, ends=False)]
        lane = {"dialect": "openai", "base_url": f"{one.url}/v1", "warm_connections": 0}
        lane["retry"] = {"budget_floor": 0, "budget_share": 0}
        models = {"m": {"targets": ["p/m"], "continue_streams": True}}
        with Gateway(tmp_path, {"providers": {"p": lane}, "models": models}) as gateway:
            response = gateway.post(OPENAI.path, OPENAI.document("m", stream=True))
            assert not response.is_whole
            assert len(one.bodies) == 1

import msgspec
import pytest

from headrace.sim.faults import Fault, FaultKind, Script


def take(script: Script, model: str = "m", path: str = "/p", *, reused: bool = False):
    fault = script.take(model=model, path=path, reused=reused)
    return fault and fault.kind


def test_faults_come_in_order_as_often_as_they_say():
    script = Script()
    script.load([Fault(kind=FaultKind.CUT, times=2), Fault(kind=FaultKind.SLOW)])
    assert [take(script) for _ in range(4)] == ["cut", "cut", "slow", None]


def test_faults_of_another_model_or_path_are_passed_over():
    script = Script()
    script.load(
        [Fault(kind=FaultKind.CUT, model="a"), Fault(kind=FaultKind.SLOW, path="/q", times=None)]
    )
    assert take(script, "b") is None
    assert take(script, "b", "/q") == "slow"
    assert take(script, "a", "/q") == "cut"
    assert take(script, "a", "/q") == "slow"


def test_stale_waits_for_a_connection_that_was_used_before():
    script = Script()
    script.load([Fault(kind=FaultKind.STALE)])
    assert take(script) is None
    assert take(script, reused=True) == "stale"
    assert take(script, reused=True) is None


def test_loading_replaces_and_zero_times_is_never():
    script = Script()
    script.load([Fault(kind=FaultKind.CUT)])
    script.load([Fault(kind=FaultKind.SLOW, times=0)])
    assert take(script) is None


@pytest.mark.parametrize(
    "line", [b'{"kind":"no"}', b'{"kind":"cut","tims":1}', b'{"kind":"status","status":1000}']
)
def test_mistakes_in_a_script_are_errors(line: bytes):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(line, type=Fault)

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


def test_a_share_is_met_by_lot_and_the_same_seed_draws_the_same():
    def hit(seed: int) -> list[int]:
        script = Script(seed)
        script.load([Fault(kind=FaultKind.CUT, times=None, share=0.05)])
        return [n for n in range(2000) if take(script)]

    assert len(hit(1)) == pytest.approx(100, abs=35)
    assert hit(1) == hit(1)
    assert hit(1) != hit(2)


def test_shares_of_several_faults_stand_beside_each_other():
    script = Script(3)
    shares = {FaultKind.STATUS: 0.5, FaultKind.SLOW: 0.5}
    script.load([Fault(kind=kind, times=None, share=share) for kind, share in shares.items()])
    taken = [take(script) for _ in range(1000)]
    assert taken.count("status") == pytest.approx(500, abs=60)
    assert taken.count("slow") == pytest.approx(250, abs=55)  # of those that the first let through


def test_a_share_counts_its_times_by_those_it_happened_to():
    script = Script(3)
    script.load([Fault(kind=FaultKind.CUT, times=2, share=0.1)])
    assert [take(script) for _ in range(500)].count("cut") == 2


def test_loading_draws_afresh():
    script, faults = Script(5), [Fault(kind=FaultKind.CUT, times=None, share=0.3)]
    script.load(faults)
    first = [take(script) for _ in range(50)]
    script.load(faults)
    assert [take(script) for _ in range(50)] == first


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_part(share: float):
    with pytest.raises(ValueError, match="share"):
        Fault(kind=FaultKind.CUT, share=share)

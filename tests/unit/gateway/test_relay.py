"""One answer, many readers: who gets what, who is held up by whom, and when the call ends."""

import pytest

from headrace.cache.entry import Answer, Headers, Shape
from headrace.errors import HeadraceError
from headrace.gateway.reader import Place, Source
from headrace.gateway.relay import Relay
from headrace.limits import RELAY_BYTES_MAX
from headrace.upstream.faults import UpstreamFault
from headrace.upstream.h1 import Sink

EVENTS = [(b"content-type", b"text/event-stream")]
JSON = [(b"content-type", b"application/json")]


class Flow:
    """An upstream that can pause."""

    def __init__(self) -> None:
        self.is_paused = False

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def redirect(self, sink: Sink) -> None:
        self.sink = sink


class TestRelay(Relay):
    """A relay that takes everything for an answer but a body of `bad`."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def ended(self) -> None:
        self.said.append("ended")

    def concluded(self) -> Answer:
        if self.body == b"bug":
            raise ZeroDivisionError
        if self.body == b"bad":
            raise UpstreamFault("cut", "p", received=True)
        return Answer(self.status, self.headers, self.body, Shape.EVENTS, "p", "m")

    def consoled(self, error: HeadraceError) -> bool:
        return False

    def failed(self, error: HeadraceError) -> None:
        self.said.append("failed")

    def closed(self) -> None:
        self.said.append("closed")

    def on_bug(self, bug: BaseException) -> None:
        self.said.append(type(bug).__name__)

    def abandoned(self) -> None:
        self.said.append("abandoned")

    def finish(self) -> None:
        self.on_end()
        self.conclude()
        self.deliver()


class Reader:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.said: list[str] = []

    def placed(self, source: Source) -> None:
        self.said.append("placed")

    def done(self) -> None:
        self.is_done = True

    def seated(self, seat: Place) -> None:
        self.seat = seat

    def prepare(self, answer: Answer) -> None:
        self.prepared = answer

    def answer(self, answer: Answer, age_s: float | None = None) -> None:
        self.got.append(answer.body)
        self.said.append("answer")

    def begin(self, status: int, headers: Headers) -> None:
        self.said.append("begin")

    def feed(self, chunk: bytes, framed: bytes | None = None) -> None:
        self.got.append(chunk)

    def end(self, answer: Answer) -> None:
        self.said.append("end")

    def fail(self, error: HeadraceError) -> None:
        self.said.append(f"fail {error.code}")


def begun(headers: list[tuple[bytes, bytes]] = EVENTS, readers: int = 1):  # type: ignore[no-untyped-def]
    relay, flow = TestRelay(), Flow()
    joined = [Reader() for _ in range(readers)]
    for reader in joined:
        relay.join(reader)
    seats = [reader.seat for reader in joined]
    relay.on_attempt(flow)
    relay.on_head(200, headers)
    return relay, flow, joined, seats


def test_chunks_are_passed_on_as_they_come():
    relay, _, (one, two), _ = begun(readers=2)
    relay.on_body(b"a")
    assert one.got == two.got == [b"a"]
    relay.on_body(b"b")
    relay.finish()
    assert one.got == two.got == [b"a", b"b"]
    assert one.said == two.said == ["begin", "end"]
    assert relay.readers == 0


def test_a_whole_answer_comes_at_once():
    relay, _, (one,), _ = begun(JSON)
    relay.on_body(b"a")
    relay.on_body(b"b")
    assert one.got == []
    relay.finish()
    assert (one.got, one.said) == ([b"ab"], ["answer"])


def test_who_comes_late_gets_what_was_missed_and_then_the_rest():
    relay, _, (one,), _ = begun()
    relay.on_body(b"a")
    late = Reader()
    relay.join(late)
    assert late.got == [b"a"]
    relay.on_body(b"b")
    relay.finish()
    assert late.got == one.got == [b"a", b"b"]
    assert late.said == ["begin", "end"]


def test_who_comes_late_takes_what_was_missed_at_its_own_pace():
    class Sipping(Reader):
        def feed(self, chunk: bytes, framed: bytes | None = None) -> None:
            super().feed(chunk, framed)
            self.seat.pause()

    relay, flow, (one,), _ = begun()
    for chunk in (b"a", b"b", b"c"):
        relay.on_body(chunk)
    late = Sipping()
    relay.join(late)
    seat = late.seat
    assert late.got == [b"a"]
    assert not flow.is_paused  # the other one keeps up
    relay.on_body(b"d")
    relay.finish()
    assert (one.got, one.said[-1]) == ([b"a", b"b", b"c", b"d"], "end")
    for count in (2, 3, 4):
        assert late.said == ["begin"]
        seat.resume()
        assert len(late.got) == count
    seat.resume()
    assert (late.got, late.said) == (one.got, ["begin", "end"])


def test_a_slow_reader_lags_and_catches_up_even_after_the_end():
    relay, flow, (slow, quick), (seat, _) = begun(readers=2)
    seat.pause()
    assert not flow.is_paused
    relay.on_body(b"a")
    relay.on_body(b"b")
    relay.finish()
    assert (quick.got, quick.said) == ([b"a", b"b"], ["begin", "end"])
    assert slow.got == []
    seat.resume()
    assert (slow.got, slow.said) == ([b"a", b"b"], ["begin", "end"])


def test_the_upstream_rests_while_all_readers_are_slow():
    relay, flow, _, (one, two) = begun(readers=2)
    one.pause()
    two.pause()
    assert flow.is_paused
    two.resume()
    assert not flow.is_paused
    two.pause()
    assert flow.is_paused
    one.leave()
    assert flow.is_paused
    two.resume()
    assert not flow.is_paused
    assert relay.said == []


def test_the_upstream_rests_when_only_slow_readers_stay():
    _, flow, _, (slow, quick) = begun(readers=2)
    slow.pause()
    assert not flow.is_paused
    quick.leave()
    assert flow.is_paused


def test_a_reader_that_slows_down_while_it_catches_up_is_not_overrun():
    relay, _, (one,), (seat,) = begun()
    seat.pause()
    for chunk in (b"a", b"b", b"c"):
        relay.on_body(chunk)
    one.feed = lambda chunk: (one.got.append(chunk), seat.pause())  # type: ignore[method-assign]
    for count in (1, 2, 3):
        seat.resume()
        assert len(one.got) == count
    assert one.got == [b"a", b"b", b"c"]


def test_the_call_is_given_up_when_nobody_waits():
    relay, _, _, (one, two) = begun(readers=2)
    one.leave()
    one.leave()
    assert relay.said == []
    two.leave()
    assert relay.said == ["abandoned"]
    relay.on_fault(HeadraceError("too late"))
    assert relay.said == ["abandoned"]


def test_nobody_waits_between_the_end_and_the_answer():
    relay, _, (one,), (seat,) = begun()
    relay.on_body(b"a")
    relay.on_end()
    seat.leave()
    relay.conclude()
    relay.deliver()
    assert relay.delivered is not None
    assert relay.said == ["ended"]
    assert "end" not in one.said


def test_a_fault_reaches_everyone_slow_ones_too():
    relay, _, (one, slow), (_, seat) = begun(readers=2)
    seat.pause()
    relay.on_body(b"a")
    relay.on_fault(UpstreamFault("cut", "p"))
    assert one.said[-1] == slow.said[-1] == "fail upstream_cut"
    seat.resume()
    assert slow.said[-1] == "fail upstream_cut"
    assert relay.said == ["failed"]


def test_what_ends_well_but_is_no_answer_is_a_fault():
    relay, _, (one,), _ = begun()
    relay.on_body(b"bad")
    relay.finish()
    assert one.said == ["begin", "fail upstream_cut"]
    assert relay.said == ["ended", "failed"]


def test_a_bug_in_reading_what_came_leaves_nobody_waiting():
    relay, _, (one,), _ = begun()
    relay.on_body(b"bug")
    relay.finish()
    assert one.said == ["begin", "fail internal_error"]
    assert relay.said == ["ended", "ZeroDivisionError", "failed"]


def long_stream(relay: TestRelay, mib: int) -> None:
    for _ in range(mib):
        relay.on_body(bytes(1 << 20))


def test_of_a_long_stream_only_the_end_is_held():
    relay, _, (one,), _ = begun()
    long_stream(relay, 40)
    assert relay.said[0] == "closed"
    assert not relay.is_intact
    assert len(relay.body) <= RELAY_BYTES_MAX
    assert sum(map(len, one.got)) == 40 << 20


def test_a_slow_reader_of_a_long_stream_holds_the_others_back_and_loses_nothing():
    relay, flow, (slow, _), (seat, _) = begun(readers=2)
    seat.pause()
    long_stream(relay, 17)
    assert flow.is_paused
    seat.resume()
    assert not flow.is_paused
    assert sum(map(len, slow.got)) == 17 << 20


def test_the_others_go_on_when_the_reader_that_held_them_back_leaves():
    relay, flow, _, (seat, _) = begun(readers=2)
    seat.pause()
    long_stream(relay, 17)
    assert flow.is_paused
    seat.leave()
    assert not flow.is_paused


def test_the_tail_of_many_small_chunks():
    relay, _, _, _ = begun()
    for number in range(10):
        relay.on_body(b"%d" % number)
    assert relay.tail(3) == b"789"
    assert relay.tail(100) == b"0123456789"


def test_the_head_of_many_small_chunks():
    relay, _, _, _ = begun()
    for number in range(10):
        relay.on_body(b"%d" % number)
    assert relay.head(3) == b"012"
    assert relay.head(100) == b"0123456789"
    assert relay.bytes_held == 10


@pytest.mark.parametrize("size", [*range(1, 9), 100])
def test_marks_are_counted_wherever_pieces_end(size: int):
    relay, _, _, _ = begun()
    body = b"data: one\n\ndata:two dat a: data data::data:"
    for at in range(0, len(body), size):
        relay.on_body(body[at : at + size])
    assert relay.body == body
    assert relay.count(b"data:") == body.count(b"data:") == 4

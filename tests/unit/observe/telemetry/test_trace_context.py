"""W3C Trace Context: what is valid is read, what is not is as good as none, and all is bounded."""

import pytest

from headrace.observe.telemetry.trace_context import (
    TraceContext,
    read_context,
    says_unsampled,
    worded_parent,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def read(parent: str, *states: str) -> TraceContext | None:
    lines = [(b"traceparent", parent.encode())]
    return read_context([*lines, *((b"tracestate", state.encode()) for state in states)])


def state(*states: str) -> bytes:
    context = read(PARENT, *states)
    assert context is not None
    return context.state


@pytest.mark.parametrize(("flags", "is_sampled"), [("00", False), ("01", True), ("03", True)])
def test_what_is_valid_is_read(flags: str, is_sampled: bool) -> None:
    context = read(f" 00-{TRACE}-{SPAN}-{flags}\t")
    assert context == TraceContext(TRACE, SPAN, is_sampled)


def test_a_later_version_may_say_more() -> None:
    assert read(f"01-{TRACE}-{SPAN}-01-more") == TraceContext(TRACE, SPAN, True)
    assert read(f"01-{TRACE}-{SPAN}-01more") is None


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01-" + "x" * 5000,
    ],
)
def test_what_is_invalid_is_as_good_as_none(parent: str) -> None:
    assert read(parent, "vendor=1") is None


def test_two_parents_are_none() -> None:
    assert read_context([(b"traceparent", PARENT.encode())] * 2) is None
    assert read_context([(b"tracestate", b"vendor=1")]) is None


def test_state_is_one_list_however_many_headers_it_comes_in() -> None:
    assert state("a=1,b=2", " c=3 ,, ", "t@v=4") == b"a=1,b=2,c=3,t@v=4"


@pytest.mark.parametrize("bad", ["a", "a=", "A=1", "a=1,a=2", "a=1=2", "a=\xe9", "a=1,b"])
def test_a_state_that_is_invalid_is_left_out_alone(bad: str) -> None:
    assert state(bad) == b""


def test_a_state_is_bounded() -> None:
    assert state(",".join(f"k{n}=1" for n in range(33))) == b""
    assert state("x" * 5000) == b""
    long = "long=" + "x" * 200
    rest = [f"k{n}=" + "y" * 60 for n in range(9)]
    kept = state(",".join([long, *rest]))
    assert len(kept) <= 512
    assert kept.split(b",") == [each.encode() for each in rest[: len(kept.split(b","))]]
    assert len(kept.split(b",")) == 8


def test_one_digit_tells_that_a_trace_is_not_recorded() -> None:
    def carried(parent: str) -> list[tuple[bytes, bytes]]:
        return [(b"tracestate", b"v=" + b"x" * 60), (b"traceparent", parent.encode())]

    assert says_unsampled(carried(PARENT[:-1] + "0"))
    assert not says_unsampled(carried(PARENT))
    assert not says_unsampled(carried("short"))


def test_what_is_written_is_read_again() -> None:
    for is_sampled in (True, False):
        parent = worded_parent(TRACE, SPAN, is_sampled=is_sampled).decode()
        assert read(parent) == TraceContext(TRACE, SPAN, is_sampled)

"""Whatever the order of things: each reader gets every chunk from its first on, once, in order."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.toolkit.stream_log import Seat, StreamLog

STEPS = st.lists(
    st.one_of(
        st.just(("push", 0, 0)),
        st.just(("join", 0, 0)),
        st.tuples(st.just("take"), st.integers(0, 5), st.integers(1, 4)),
        st.tuples(st.just("leave"), st.integers(0, 5), st.just(0)),
    ),
    max_size=80,
)


@given(STEPS, st.integers(1, 5), st.integers(0, 5))
def test_readers_of_a_log(steps, buffer_max, history_max):
    log: StreamLog[int] = StreamLog(buffer_max=buffer_max, history_max=history_max)
    pushed = 0
    readers: list[tuple[Seat, list[int]]] = []
    for what, which, many in steps:
        if what == "push":
            log.push(pushed)
            pushed += 1
        elif what == "join":
            seat = log.join()
            assert pushed - seat.missed <= history_max
            assert seat.missed == max(0, pushed - history_max)
            readers.append((seat, []))
        elif readers:
            seat, had = readers[which % len(readers)]
            if what == "take":
                taken = log.waiting(seat)[:many]
                log.took(seat, len(taken))
                had += taken
            else:
                log.leave(seat)
                readers.remove((seat, had))
        for seat, had in readers:
            assert had == list(range(seat.missed, seat.missed + len(had)))
            assert had + log.waiting(seat) == list(range(seat.missed, pushed))
            unread = pushed - max(seat.joined_at, seat.missed + len(had))
            assert (seat in log.behind()) == (unread >= buffer_max)
        unread_max = max((len(log.waiting(seat)) for seat, _ in readers), default=0)
        assert len(log) <= max(unread_max, history_max)

import msgspec
import pytest

from headrace.cli.demo_http import Reply
from headrace.cli.demo_phases import Phase, Tally, chat, message, tokens_of, workload

ASK = chat("gpt-4o-mini", "Hello?")
BODY = b'{"usage":{"prompt_tokens":3,"completion_tokens":5,"prompt_tokens_details":{}}}'


def reply(
    cache: str = "l1", *, status: int = 200, body: bytes = BODY, took_s: float = 0.5
) -> Reply:
    return Reply(status, {"x-headrace-cache": cache}, body, (took_s / 2, took_s), took_s)


def tally(*replies: Reply, upstream: int = 1, seen: int | None = 1, stream: bool = False) -> Tally:
    phase = Phase(name="p", asks=(ASK,) * len(replies), upstream=upstream, is_stream=stream)
    made = Tally(phase)
    for each in replies:
        made.count(ASK, each)
    made.upstream = seen
    return made


def test_a_phase_as_it_should_be() -> None:
    done = tally(reply("miss"), reply("joined"), reply("l1"))
    assert (done.calls, done.hits, done.joined) == (3, 1, 1)
    assert done.usage == {"gpt-4o-mini": (9, 15)}
    assert list(done.problems()) == []


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (tally(reply("miss"), reply("joined"), seen=2), "the provider saw 2 calls where 1 should"),
        (tally(reply("miss"), reply("miss")), "0 of 2 calls were free, not 1"),
        (tally(reply("miss"), reply("l1", body=b"{}")), "different answers"),
        (tally(reply("miss"), reply("none", status=502)), "was answered with 502"),
    ],
)
def test_what_does_not_behave_is_told(made: Tally, words: str) -> None:
    assert [problem for problem in made.problems() if words in problem]


def test_a_running_phase_is_not_judged() -> None:
    assert list(tally(reply("miss"), reply("miss"), seen=None).problems()) == []


def test_percentiles_and_pieces() -> None:
    done = tally(*(reply(took_s=n) for n in (4.0, 1.0, 3.0, 2.0)), stream=True)
    assert (done.latency_s(0.0), done.latency_s(0.5), done.latency_s(1.0)) == (1.0, 3.0, 4.0)
    assert (done.first_s, done.gap_s) == (1.25, 1.25)
    idle = tally()
    assert (idle.latency_s(0.5), idle.first_s, idle.gap_s) == (None, None, None)
    assert tally(reply()).first_s is None


def test_tokens_are_the_last_that_were_said() -> None:
    assert tokens_of(BODY) == (3, 5)
    events = (
        b'data: {"message":{"usage":{"input_tokens":7,"output_tokens":1}}}\n\n'
        b'data: {"usage":{"output_tokens":12}}\n\n'
    )
    assert tokens_of(events) == (7, 12)
    assert tokens_of(b'{"error":{}}') == (0, 0)


def test_the_workload_asks_each_question_of_the_provider_once() -> None:
    phases = workload()
    distinct = {ask for phase in phases for ask in phase.asks}
    assert sum(phase.upstream for phase in phases) == len(distinct)
    for phase in phases:
        streams = {msgspec.json.decode(ask.body).get("stream", False) for ask in phase.asks}
        assert streams == {phase.is_stream}
    assert message("x").path == "/v1/messages"

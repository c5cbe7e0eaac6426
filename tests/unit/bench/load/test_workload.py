"""What is asked: follows from the seed, repeats as it should, and is what a gateway takes."""

import msgspec
import pytest

from headrace.bench.load.forms import AGENT, PLAIN, REWORDINGS
from headrace.bench.load.plan import Mix, Workload
from headrace.bench.load.traces import Row
from headrace.bench.load.workload import KINDS, Requests, draw

COUNT = 4000


def requests(**fields: object) -> Requests:
    return Requests(Workload(**fields), 1, "127.0.0.1:9", "sk-test")  # type: ignore[arg-type]


def test_the_same_seed_asks_the_same() -> None:
    assert draw(Workload(), 500, 3, 0) == draw(Workload(), 500, 3, 0)
    assert draw(Workload(), 500, 3, 0) != draw(Workload(), 500, 4, 0)


def test_so_many_repeat_as_should_and_the_rest_come_once() -> None:
    asked = draw(Workload(repeat_share=0.7, popular=20), COUNT, 1, 0)
    popular = [key for key in asked.keys if key >= 0]
    once = [key for key in asked.keys if key < 0]
    assert len(popular) / COUNT == pytest.approx(0.7, abs=0.05)
    assert set(popular) == set(range(20))
    assert len(set(once)) == len(once)
    assert popular.count(0) > 3 * popular.count(19)


def test_what_comes_once_comes_once_in_all_phases() -> None:
    first, second = (draw(Workload(repeat_share=0.0), 500, 1, phase) for phase in (0, 1))
    assert not set(first.keys) & set(second.keys)


def test_the_mix_is_what_was_asked() -> None:
    asked = draw(Workload(mix=Mix(chat=1, stream=0, embeddings=3)), COUNT, 1, 0)
    assert asked.kinds.count(KINDS.index("stream")) == 0
    assert asked.kinds.count(KINDS.index("embeddings")) / COUNT == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_says_how_long_it_is_and_who_asks(kind: str) -> None:
    head, _, body = requests().make(KINDS.index(kind), 5).partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert b"authorization: Bearer sk-test" in head
    document = msgspec.json.decode(body)
    assert ("input" in document) == (kind == "embeddings")
    assert document.get("stream", False) == (kind == "stream")
    assert "max_tokens" not in document


def test_a_bound_on_the_answer_is_sent_where_it_is_set() -> None:
    body = requests(output_tokens=9).make(0, -5).partition(b"\r\n\r\n")[2]
    assert msgspec.json.decode(body)["max_tokens"] == 9


def test_many_prompts_are_not_all_kept() -> None:
    made = requests(popular=100_000)
    for key in range(5000):
        made.make(0, key)
    assert len(made._kept) == 4096


def document_of(request: bytes) -> dict[str, object]:
    return dict(msgspec.json.decode(request.partition(b"\r\n\r\n")[2]))


def test_so_many_repeats_are_reworded_and_so_many_others_are_of_agents() -> None:
    workload = Workload(repeat_share=0.6, reworded_share=0.25, agent_share=0.5)
    asked = draw(workload, COUNT, 1, 0)
    popular = [form for form, key in zip(asked.forms, asked.keys, strict=True) if key >= 0]
    once = [form for form, key in zip(asked.forms, asked.keys, strict=True) if key < 0]
    reworded = [form for form in popular if form != PLAIN]
    assert len(reworded) / len(popular) == pytest.approx(0.25, abs=0.05)
    assert set(reworded) <= set(range(1, REWORDINGS + 1))
    assert once.count(AGENT) / len(once) == pytest.approx(0.5, abs=0.05)
    assert set(once) == {PLAIN, AGENT}


def test_other_words_are_around_the_same_question_and_all_are_different() -> None:
    made = requests()
    plain, *others = (made.make(0, 5, form) for form in range(REWORDINGS + 1))
    asked = [document_of(each)["messages"][0]["content"] for each in others]  # type: ignore[index]
    same = document_of(plain)["messages"][0]["content"]  # type: ignore[index]
    assert len(set(asked)) == REWORDINGS
    assert all(same in each for each in asked)


def test_turns_of_agents_begin_alike_and_end_in_a_table_of_their_own() -> None:
    made = requests()
    first, second = (document_of(made.make(1, key, AGENT))["messages"] for key in (-5, -6))
    assert [each["role"] for each in first] == ["system", "user", "assistant", "tool"]  # type: ignore[attr-defined]
    assert first[0] == second[0]  # type: ignore[index]
    assert first[3] != second[3]  # type: ignore[index]
    rows = msgspec.json.decode(first[3]["content"])["orders"]  # type: ignore[index]
    assert len(rows) > 20


def test_streams_are_asked_for_their_usage_where_it_is_wanted() -> None:
    stream = KINDS.index("stream")
    assert "stream_options" not in document_of(requests().make(stream, 5))
    told = document_of(requests(stream_usage=True).make(stream, 5))
    assert told["stream_options"] == {"include_usage": True}
    assert "stream_options" not in document_of(requests(stream_usage=True).make(0, 5))


def test_another_nonce_asks_nothing_that_was_asked_before() -> None:
    first, again, other = (
        Requests(Workload(), 1, "127.0.0.1:9", None, nonce) for nonce in ("a1", "a1", "b2")
    )
    for kind in range(len(KINDS)):
        assert first.make(kind, 3) == again.make(kind, 3)
        assert first.make(kind, 3) != other.make(kind, 3)
        assert b"a1 Question" in first.make(kind, 3)
    row = Row(timestamp=0.0, input_length=9, output_length=3, hash_ids=(1,))
    assert first.replay(row, 0) == again.replay(row, 0) != other.replay(row, 0)

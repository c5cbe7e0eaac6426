"""What is asked: follows from the seed, repeats as it should, and is what a gateway takes."""

import msgspec
import pytest

from headrace.bench.load.plan import Mix, Workload
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

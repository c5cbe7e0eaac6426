"""The memory of counts: bounded, least recently used first out, good for several threads."""

from concurrent.futures import ThreadPoolExecutor

from headrace.prompt.counting.memo import Memo, memo_key


def key(number: int) -> bytes:
    return memo_key(f"text {number}", "v")


def test_it_never_holds_more_than_it_may() -> None:
    memo = Memo(10_000)
    for number in range(1000):
        memo.put(key(number), (float(number), None))
    assert 0 < memo.bytes_held <= 10_000
    assert memo.get(key(999)) == (999.0, None)
    assert memo.get(key(0)) is None


def test_what_is_used_stays() -> None:
    memo = Memo(400 * 3)
    for number in range(3):
        memo.put(key(number), (float(number), None))
    memo.get(key(0))
    memo.put(key(3), (3.0, None))
    assert memo.get(key(0)) is not None
    assert memo.get(key(1)) is None


def test_no_room_keeps_nothing() -> None:
    memo = Memo(0)
    memo.put(key(1), (1.0, None))
    assert len(memo) == 0


def test_vocabularies_are_kept_apart_and_surrogates_are_keys_like_others() -> None:
    assert memo_key("a", "o200k_base") != memo_key("a", "cl100k_base")
    assert memo_key("\ud800", "v") != memo_key("\udfff", "v")


def test_threads_do_not_break_it() -> None:
    memo = Memo(400 * 8)

    def work(start: int) -> None:
        for number in range(start, start + 2000):
            memo.put(key(number % 32), (float(number % 32), None))
            found = memo.get(key((number * 7) % 32))
            assert found is None or found[0] == float((number * 7) % 32)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(0, 8000, 2000)))
    assert len(memo) <= 8

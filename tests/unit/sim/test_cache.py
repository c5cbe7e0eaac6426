from headrace.sim import cache
from headrace.sim.cache import ReplyCache
from headrace.sim.reply import Reply


def key(number: int) -> cache.CacheKey:
    return ("/p", b"%d" % number, None)


def test_answers_are_good_for_their_second():
    replies = ReplyCache()
    reply = Reply(body=b"x")
    replies.put(key(1), 10, reply)
    assert replies.get(key(1), 10) is reply
    assert replies.get(key(1), 11) is None
    assert replies.get(key(2), 10) is None


def test_the_oldest_goes_when_entries_or_bytes_are_too_many():
    replies = ReplyCache()
    for number in range(cache.ENTRIES_MAX + 1):
        replies.put(key(number), 1, Reply(body=b"x"))
    assert replies.get(key(0), 1) is None
    assert replies.get(key(1), 1) is not None
    large = Reply(body=b"x" * (cache.REPLY_BYTES_MAX - 100))
    for number in range(cache.BYTES_MAX // cache.REPLY_BYTES_MAX + 1):
        replies.put(key(10_000 + number), 1, large)
    assert replies.get(key(cache.ENTRIES_MAX), 1) is None
    assert replies.get(key(10_000), 1) is None
    assert replies.get(key(10_001), 1) is large


def test_what_is_very_large_is_not_kept():
    replies = ReplyCache()
    replies.put(key(1), 1, Reply(body=b"x" * (cache.REPLY_BYTES_MAX + 1)))
    assert replies.get(key(1), 1) is None

"""What batching tells of itself."""

import msgspec


class BatchStats(msgspec.Struct, frozen=True):
    """What a batch processor did since it was made, and what it has in hand.

    Attributes:
        added: items that were added.
        joined: those of them that shared the result of an equal item.
        cache_hits: those of them that were answered by the cache.
        refused: those of them that were refused because too many waited.
        batches: batches that were put together.
        batched: items in them.
        calls: calls of the batch function: more than batches, where some were cut in halves.
        failed_calls: calls that raised, or gave no result for each item.
        timeouts: calls that took too long.
        failed: items whose callers were told of an error.
        waiting: items that wait.
        running: batches on their way, calls that were given up and have not ended among them.
        cache_errors: how often the cache raised.
        last_error: type of what the last failed call raised, or type and place of the last error
            of the cache; empty where there was none.
    """

    added: int
    joined: int
    cache_hits: int
    refused: int
    batches: int
    batched: int
    calls: int
    failed_calls: int
    timeouts: int
    failed: int
    waiting: int
    running: int
    cache_errors: int
    last_error: str

    @property
    def size_mean(self) -> float:
        """Items of a batch on average; 0 before the first."""
        return self.batched / max(1, self.batches)

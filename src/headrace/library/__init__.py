"""The library face: the gateway's engine inside the caller's own program."""

from headrace.library.adapter import Adapter
from headrace.library.batching import BatchReply
from headrace.library.events import StreamEvent
from headrace.library.results import Completion, Embeddings
from headrace.library.stream import Stream
from headrace.library.sync import SyncAdapter, SyncStream

__all__ = (
    "Adapter",
    "BatchReply",
    "Completion",
    "Embeddings",
    "Stream",
    "StreamEvent",
    "SyncAdapter",
    "SyncStream",
)

"""One answer in another shape: a stored stream as a whole answer, and the other way round. Pure."""

import msgspec

from headrace.cache.entry import Answer, Entry, Shape
from headrace.dialects.base import Dialect, Operation

JSON_TYPE = b"application/json"
EVENTS_TYPE = b"text/event-stream; charset=utf-8"


def reshape(dialect: Dialect, operation: Operation, entry: Entry, wanted: Shape) -> Answer | None:
    """The answer in the `wanted` shape, made from one that `entry` holds.

    Returns:
        The answer, or `None` where what is held does not say enough: the tokens of a stream that
        did not report them cannot be told to a caller who asks for them.
    """
    held = entry.answer(wanted)
    if held is not None:
        return held
    events = entry.events_with_usage or entry.events
    whole = entry.whole
    if wanted is Shape.WHOLE and events:
        return _as(wanted, events, dialect.assemble(operation, events.body))
    if wanted is Shape.EVENTS and events:
        return _as(wanted, events, dialect.without_usage_event(events.body))
    if whole and (wanted is Shape.EVENTS or whole.usage):
        include_usage = wanted is Shape.EVENTS_WITH_USAGE
        body = dialect.disassemble(operation, whole.body, include_usage=include_usage)
        return _as(wanted, whole, body)
    return None


def _as(shape: Shape, source: Answer, body: bytes) -> Answer:
    content_type = JSON_TYPE if shape is Shape.WHOLE else EVENTS_TYPE
    headers = tuple(
        (name, content_type if name == b"content-type" else value) for name, value in source.headers
    )
    return msgspec.structs.replace(source, shape=shape, body=body, headers=headers, rendered=b"")

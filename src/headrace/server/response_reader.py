"""Who waits for a chat in the place of a caller of `/v1/responses`. Implements `Reader`."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from headrace.cache.entry import Answer, Headers, Shape
from headrace.dialects.responses.making import read_completion
from headrace.dialects.responses.output import Heading, MakeId, Reply, write_response
from headrace.dialects.responses.stream import ResponseStream
from headrace.errors import HeadraceError, UpstreamBroken
from headrace.gateway.headers import is_encoded
from headrace.gateway.reader import Place, Source
from headrace.server.exchange import Exchange, State

Outcome = bool | HeadraceError
Finish = Callable[[dict[str, Any], Callable[[Outcome], None]], None]
"""Keeps a response, and then says whether it did."""

_OK: Final = 200
_JSON: Final = (b"content-type", b"application/json")
_EVENTS: Final = (b"content-type", b"text/event-stream; charset=utf-8")


class ResponseReader:
    """Turns what comes into a response and gives it to an exchange.

    The end of a response is told when it is kept, so that whoever goes on from it finds it.

    Args:
        exchange: whose request it is.
        heading: what is known of the response.
        make_id: makes the ids of items.
        streams: whether it is told by events.
        wall_s: the time, seconds since the epoch.
        finish: keeps it; `None` where it is not kept.
    """

    def __init__(
        self,
        exchange: Exchange,
        heading: Heading,
        make_id: MakeId,
        *,
        streams: bool,
        wall_s: Callable[[], float],
        finish: Finish | None,
    ) -> None:
        self._exchange = exchange
        self._heading = heading
        self._make_id = make_id
        self._streams = streams
        self._wall_s = wall_s
        self._finish = finish
        self._stream: ResponseStream | None = None
        self._seat: Place | None = None

    # What the pipeline and the relay say.

    def placed(self, source: Source) -> None:
        self._exchange.placed(source)

    def seated(self, seat: Place) -> None:
        self._seat = seat
        self._exchange.seated(seat)

    def prepare(self, answer: Answer) -> None:
        """Nothing is worded before it is known whether it is kept."""

    def answer(self, answer: Answer, age_s: float | None = None) -> None:
        if answer.status != _OK:
            self._exchange.answer(answer, age_s)
            return
        try:
            if self._streams:
                self._tell_at_once(answer, age_s)
            else:
                self._tell_whole(answer, age_s)
        except HeadraceError as error:
            self._exchange.fail(error.with_traceback(None))

    def done(self) -> None:
        self._exchange.done()

    def begin(self, status: int, headers: Headers) -> None:
        if is_encoded(headers):
            self._give_up(_unreadable())
            return
        self._stream = stream = ResponseStream(self._heading, self._make_id)
        self._exchange.write_failure = stream.fail
        self._exchange.begin(status, _typed(headers, _EVENTS))
        self._exchange.feed(stream.begin())

    def feed(self, chunk: bytes, framed: bytes | None = None) -> None:  # noqa: ARG002
        stream = self._stream
        if stream is None:
            return
        try:
            events = stream.feed(chunk)
        except HeadraceError as error:
            self._give_up(error.with_traceback(None))
            return
        if events:
            self._exchange.feed(events)

    def end(self, answer: Answer) -> None:
        stream = self._stream
        if stream is None:
            return
        if stream.error is not None:
            self.fail(stream.error)
            return
        events, reply = stream.close()
        if events:
            self._exchange.feed(events)

        def finished(response: dict[str, Any], error: HeadraceError | None) -> None:
            if self._exchange.state is not State.STREAMING:
                return
            if error is not None:
                self.fail(error)
                return
            self._exchange.feed(stream.end(response))
            self._exchange.end(answer)

        self._conclude(reply, finished)

    def fail(self, error: HeadraceError) -> None:
        self._exchange.fail(error)

    # The inside.

    def _tell_whole(self, answer: Answer, age_s: float | None) -> None:
        reply = read_completion(answer.body, self._make_id)
        if reply is None:
            raise _unreadable()

        def finished(response: dict[str, Any], error: HeadraceError | None) -> None:
            if error is not None:
                self._exchange.fail(error)
            else:
                body = msgspec.json.encode(response)
                self._exchange.answer(_worded(answer, body, _JSON), age_s)

        self._conclude(reply, finished)

    def _tell_at_once(self, answer: Answer, age_s: float | None) -> None:
        """Tell by events what is there as a whole: it was stored, or did not come as a stream."""
        transcript = answer.body
        if answer.shape is Shape.WHOLE:
            call = self._exchange.head.call
            assert call is not None  # noqa: S101  # nobody comes this far without one
            operation = call.grammar.operation
            transcript = call.dialect.disassemble(operation, answer.body, include_usage=True)
        stream = ResponseStream(self._heading, self._make_id)
        events = stream.begin() + stream.feed(transcript)
        if stream.error is not None:
            raise stream.error
        closing, reply = stream.close()

        def finished(response: dict[str, Any], error: HeadraceError | None) -> None:
            if error is not None:
                self._exchange.fail(error)
            else:
                body = events + closing + stream.end(response)
                self._exchange.answer(_worded(answer, body, _EVENTS), age_s)

        self._conclude(reply, finished)

    def _conclude(
        self, reply: Reply, finished: Callable[[dict[str, Any], HeadraceError | None], None]
    ) -> None:
        """Keep it where it is kept, and then tell it."""
        response = write_response(self._heading, reply, completed_s=int(self._wall_s()))
        if self._finish is None:
            finished(response, None)
            return

        def kept(outcome: Outcome) -> None:
            error = outcome if isinstance(outcome, HeadraceError) else None
            if outcome is False:
                response["store"] = False
                if self._exchange.source is not None:  # the header x-headrace-stored
                    self._exchange.source.remark("stored", "false")
            finished(response, error)
            self._exchange.done()

        self._finish(response, kept)

    def _give_up(self, error: HeadraceError) -> None:
        """What comes is of no use; somebody else may still wait for it."""
        if self._seat is not None:
            self._seat.leave()
        self.fail(error)


def _worded(answer: Answer, body: bytes, content_type: tuple[bytes, bytes]) -> Answer:
    headers = _typed(answer.headers, content_type)
    return msgspec.structs.replace(answer, headers=headers, body=body, rendered=b"")


def _typed(headers: Headers, content_type: tuple[bytes, bytes]) -> Headers:
    return (content_type, *(pair for pair in headers if pair[0] != b"content-type"))


def _unreadable() -> UpstreamBroken:
    return UpstreamBroken("The provider's answer is not a chat completion.")

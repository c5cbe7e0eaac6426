"""What is logged of a request, and what metrics and spans are made of as well."""

from collections.abc import Mapping

from msgspec import UNSET

from headrace.cache.entry import Answer, Shape
from headrace.model import CacheResult
from headrace.observe.access_log import AccessLine
from headrace.server.exchange import Exchange
from headrace.server.heads import RequestHead
from headrace.server.places import Route


def hit_line(
    peer: str,
    head: RequestHead,
    answer: Answer,
    measured: tuple[float, str, float, int],
) -> AccessLine:
    """The line of a request that its bytes alone were enough for.

    Args:
        peer: address of the client.
        head: of the request.
        answer: what was given.
        measured: when it was over, monotonic seconds; the id of the request; milliseconds that it
            took; bytes of its body.
    """
    now_s, request_id, took_ms, body_bytes = measured
    principal, usage = head.principal, answer.usage
    return AccessLine(
        now_s,
        request_id,
        "POST",
        head.path,
        _ROUTES[head.place.route],
        answer.status,
        principal.tenant if principal else None,
        principal.key_name if principal else None,
        peer,
        answer.provider,
        answer.model,
        "l1",
        answer.shape is not _WHOLE,
        0,
        took_ms,
        took_ms,
        body_bytes,
        len(answer.body),
        usage.input_tokens if usage else None,
        usage.output_tokens if usage else None,
        0.0,
    )


def exchange_line(exchange: Exchange, now_s: float) -> AccessLine:
    """The line of any other.

    Args:
        exchange: the request and its answer; it is over.
        now_s: monotonic seconds.
    """
    head, source, answer = exchange.head, exchange.source, exchange.answer_given
    told = None if source is None else source.told()
    began_s = exchange.watch.began_s
    first_byte_s = exchange.first_byte_s
    principal = head.principal
    usage = answer.usage if answer is not None else None
    return AccessLine(
        now_s,
        exchange.request_id,
        head.method.decode("latin-1"),
        head.path,
        _ROUTES[head.place.route],
        exchange.status,
        principal.tenant if principal else None,
        principal.key_name if principal else None,
        exchange.line.peer,
        told.provider if told else None,
        told.model if told else None,
        _CACHES[told.cache] if told else None,
        exchange.is_stream or (source is not None and source.is_stream),
        told.attempts if told else 0,
        (now_s - began_s) * 1000.0,
        (first_byte_s - began_s) * 1000.0 if first_byte_s else None,
        exchange.bytes_in,
        exchange.bytes_out,
        usage.input_tokens if usage else None,
        usage.output_tokens if usage else None,
        exchange.cost_usd,
        exchange.error,
        (told.fallback if told else None) or UNSET,
        (told.tried if told else None) or UNSET,
        dict(told.remarks) if told and told.remarks else UNSET,
    )


# Finding a member of an enum costs more than comparing with it, and asking for its value as much.
_WHOLE = Shape.WHOLE
_ROUTES: Mapping[Route, str] = {each: each.value for each in Route}
_CACHES: Mapping[CacheResult, str] = {each: each.value for each in CacheResult}

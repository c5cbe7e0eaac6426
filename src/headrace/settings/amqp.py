"""What can be set of jobs that come as messages of AMQP 0-9-1, which RabbitMQ speaks."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from headrace.settings.bounded import Filled
from headrace.settings.values import Secret, filled_problem

_SCHEMES: Final = ("amqp://", "amqps://")
_NAME_BYTES_MAX: Final = 200  # of 255, for what is added to some


def amqp_url_problem(text: str) -> str | None:
    """What keeps `text` from being the address of a broker; it may hold a password."""
    if filled_problem(text) is None and text.startswith(_SCHEMES):
        return None
    return "expected amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps:// for TLS"


def amqp_name_problem(text: str) -> str | None:
    """What keeps `text` from being the name of a queue or an exchange."""
    if filled_problem(text) is None and len(text.encode()) <= _NAME_BYTES_MAX:
        return None
    return f"expected a name of at most {_NAME_BYTES_MAX} bytes without control characters"


AmqpUrl = Annotated[Secret, Meta(extra={"check": amqp_url_problem})]
AmqpName = Annotated[str, Meta(extra={"check": amqp_name_problem})]


class AmqpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that come as messages, and what is told of them.

    Attributes:
        url: of the broker.
        queue: where messages come from.
        tenant: whose jobs they become.
        prefetch: messages that a worker holds before the first of them is taken.
        dead_letter_exchange: where messages go that are no jobs, with the reason in a header.
        results_exchange: where it is told how jobs ended; `None`: nowhere.
        events: whether progress and further tries are told there too.
        declare: whether queue and exchanges are made where they are missing.
    """

    url: AmqpUrl
    queue: AmqpName = "headrace.jobs"
    tenant: Filled = "default"
    prefetch: Annotated[int, Meta(ge=1, le=1000)] = 32
    dead_letter_exchange: AmqpName = "headrace.dead"
    results_exchange: AmqpName | None = "headrace.results"
    events: bool = True
    declare: bool = True

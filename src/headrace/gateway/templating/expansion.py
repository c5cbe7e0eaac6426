"""Requests that name a template become the requests they stand for, before anything else sees them.

Keys, prices, routes: everything that follows goes by what the template made of the request.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from headrace.cache.key import repeat_key, too_deep
from headrace.dialects.base import Operation
from headrace.errors import HeadraceError, InvalidRequest
from headrace.gateway.order import Order
from headrace.observe.metrics import Metrics
from headrace.prompt.templates.document import FIELD, expanded, read_ask
from headrace.prompt.templates.names import Reference, parse_reference
from headrace.prompt.templates.registry import TemplateRegistry
from headrace.prompt.templates.turn import Turn, last_turn

# Templates whose renderings are counted by name; those beyond count together.
COUNTED_MAX = 1000
OTHER = "other"
_REMARK: Final = "template"


class Templating:
    """Expands requests. Belongs to one event loop.

    Args:
        registry: the templates.
        metrics: counts.
    """

    def __init__(self, registry: TemplateRegistry, metrics: Metrics) -> None:
        self.registry = registry
        self._outcomes = metrics.templates
        self.rendered: dict[str, int] = {}  # how often, by name and number

    def expand(self, order: Order) -> None:
        """Put in what a template stands for, where the request names one.

        Raises:
            NotFound: there is no such template, label or number.
            InvalidRequest: what it is given is not what it wants.
        """
        header = order.call.template
        if not header and FIELD not in order.document:
            return
        with self._counted():
            if order.call.grammar.operation is Operation.EMBEDDINGS:
                raise InvalidRequest(
                    "Embeddings are made of `input`, without a template.", param=FIELD
                )
            ask = read_ask(header, order.document)
            self._expand(order, ask.reference, ask.variables, None)

    def put_into(self, order: Order) -> None:
        """Put a request into the template of what it wants, but for one that named its own.

        So is one left alone in which no user said anything that the template could say.

        Raises:
            NotFound: as `expand`.
            InvalidRequest: as `expand`.
        """
        use = None if order.aimed is None else order.aimed.template
        if use is None or any(name == _REMARK for name, _ in order.remarks):
            return
        variables, turn = use.variables, None
        if use.turn:
            turn = last_turn(order.document)
            if turn is None:
                return
            variables = {**variables, use.turn: turn.text}
        with self._counted():
            self._expand(order, use.reference, variables, turn)
        call = order.call
        order.view = call.dialect.read_request(call.grammar.operation, order.document)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except HeadraceError as error:
            outcome = "unknown" if error.status == 404 else "refused"
            self._outcomes.add(self._outcomes.at(outcome))
            raise
        self._outcomes.add(self._outcomes.at("rendered"))

    def _expand(
        self, order: Order, reference: Reference, variables: Mapping[str, Any], turn: Turn | None
    ) -> None:
        call, shelf = order.call, self.registry.shelf
        try:
            rendered = shelf.press.render(shelf.find(reference), variables)
            document = expanded(order.document, rendered, call.dialect.name, turn)
            body = msgspec.json.encode(document)
        except RecursionError:
            raise too_deep() from None
        if not order.digest:
            order.digest = repeat_key(call.repeat_scope, order.body)
        order.document, order.body = document, body
        if call.bare is not None:
            order.call = call.bare
        self._count(rendered.name)
        order.remark(_REMARK, rendered.name)

    def _count(self, name: str) -> None:
        counts = self.rendered
        if name not in counts and len(counts) >= COUNTED_MAX:
            name = OTHER
        counts[name] = counts.get(name, 0) + 1


def read_template(fields: Mapping[bytes, bytes], *, has_templates: bool) -> bytes:
    """What `x-headrace-template` names, checked as far as the head shows it; empty without one.

    Raises:
        InvalidRequest: it names no template, or there are none here.
    """
    value = fields.get(b"x-headrace-template", b"").strip()
    if not value:
        return b""
    if not has_templates:
        raise InvalidRequest(
            "There are no templates here: the settings name no directory (templates.path).",
            param="x-headrace-template",
            code="no_templates",
        )
    parse_reference(value.decode("latin-1"))
    return value

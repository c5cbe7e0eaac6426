"""Requests that name a template become the requests they stand for, before anything else sees them.

Keys, prices, routes: everything that follows goes by what the template made of the request.
"""

from collections.abc import Mapping

import msgspec

from headrace.cache.key import repeat_key, too_deep
from headrace.dialects.base import Operation
from headrace.errors import HeadraceError, InvalidRequest
from headrace.gateway.order import Order
from headrace.observe.metrics import Metrics
from headrace.prompt.templates.document import FIELD, expanded, read_ask
from headrace.prompt.templates.names import parse_reference
from headrace.prompt.templates.registry import TemplateRegistry

# Templates whose renderings are counted by name; those beyond count together.
COUNTED_MAX = 1000
OTHER = "other"


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
        try:
            self._expand(order, header)
        except HeadraceError as error:
            outcome = "unknown" if error.status == 404 else "refused"
            self._outcomes.add(self._outcomes.at(outcome))
            raise
        self._outcomes.add(self._outcomes.at("rendered"))

    def _expand(self, order: Order, header: str) -> None:
        call = order.call
        if call.grammar.operation is Operation.EMBEDDINGS:
            raise InvalidRequest("Embeddings are made of `input`, without a template.", param=FIELD)
        ask = read_ask(header, order.document)
        shelf = self.registry.shelf
        try:
            rendered = shelf.press.render(shelf.find(ask.reference), ask.variables)
            document = expanded(order.document, rendered, call.dialect.name)
            body = msgspec.json.encode(document)
        except RecursionError:
            raise too_deep() from None
        if not order.digest:
            order.digest = repeat_key(call.repeat_scope, order.body)
        order.document, order.body = document, body
        if call.bare is not None:
            order.call = call.bare
        self._count(rendered.name)
        order.remark("template", rendered.name)

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

"""One request on its way through the stages; each stage fills in what it finds out."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from headrace.cache.entry import Answer, Shape
from headrace.cache.key import repeat_key, too_deep, without_marks
from headrace.cache.semantic.candidate import Candidate
from headrace.cache.semantic.scope import Question
from headrace.errors import DeadlineExceeded, Forbidden, HeadraceError
from headrace.gateway.aiming.aim import Aim
from headrace.gateway.aiming.asked import Aimed
from headrace.gateway.call import Call, Stopwatch
from headrace.gateway.draft import Draft, Recipient
from headrace.gateway.gates.choice import Choice
from headrace.gateway.plan import Lane, Plan
from headrace.gateway.reader import Outcome, Reader, Remarks, Source, Stale
from headrace.gateway.relay import Relay
from headrace.identity.model_patterns import allows
from headrace.model import CacheResult, Failure, RequestView
from headrace.routing.directory import Target

_VALUE_CHARS_MAX = 512
_UNREAD = RequestView(model="")
# What is asked for callers, or in their place.
_CHOSEN_FOR = frozenset(("", "warm"))


class Trial(msgspec.Struct, frozen=True):
    """A stored answer to a question that means the same, to be compared with the provider's."""

    candidate: Candidate
    answer: Answer


class Charged(Protocol):
    """What a call may cost; told once how it ended, and before of calls that were given up."""

    def lost(self, booked_as: str, input_tokens: int, usd: float) -> None: ...
    def answered(self, flight: Any, answer: Answer) -> None: ...
    def ended(self, flight: Any) -> None: ...


class Order(msgspec.Struct, eq=False):
    """One request.

    Attributes:
        call: what the head of the request says.
        body: its JSON; let go of once it is answered.
        reader: who waits for the answer; gone once it has a seat.
        watch: times the stages.
        digest: key of the raw body.
        document: the body, decoded; let go of once it is routed.
        view: what matters of it.
        plan: the settings it was routed by.
        lane: the way to its provider.
        targets: who may be asked, in the order of preference.
        model: what the provider calls the model.
        tried: who was asked in vain, or could not be asked, and how it failed, in order.
        choice: says who of them is asked first, where that is not settled.
        session: what calls that should stay at one target have in common.
        draft: makes what is sent in place of the body, where the settings want that.
        request: what is sent to the provider.
        key: canonical key of what is asked, the same for every shape.
        flight_key: the same for requests that can share one call.
        shape: the shape the caller wants.
        cacheable: whether its answer may be stored.
        looks_up: whether a stored answer, or one under way, will do.
        intent: what is wanted, where that is known.
        question: what is compared with other questions, where meaning counts.
        relay: the call it leads.
        trial: what its answer is to be compared with.
        stale: a stored answer whose time is over, given where the provider fails.
        asked: the model that the caller named, where it was aimed at another one.
        aimed: where it was sent for more than the name of its model, if it was.
        purpose: why the cache itself asks, where no caller does.
        counted: its body, or what was sent in its place, kept where tokens are counted.
        kept: its body, where it may be asked for again later.
        lease: what keeps other processes from asking the same; empty where it holds none.
        purge_seq: number of the last purge that was known when it was looked up.
        error: why it goes no further.
        waits_until_s: until when it waits to hear of a budget, monotonic seconds; 0 where it never
            had to.
        charge: what it may cost, once it is admitted, where that is booked.
        asker_books: whether the ledger has it from whoever asked for it.
        sent_bytes: size of its body, once it is sent.
        remarks: what stages tell the caller and the log: the end of a header's name, and a value.
    """

    call: Call
    body: bytes
    reader: Reader
    watch: Stopwatch
    digest: bytes = b""
    document: dict[str, Any] = {}
    view: RequestView = _UNREAD
    plan: Plan | None = None
    lane: Lane | None = None
    targets: tuple[Target, ...] = ()
    model: str = ""
    tried: tuple[str, ...] = ()
    choice: Choice | None = None
    session: bytes = b""
    draft: Draft | None = None
    request: bytes = b""
    key: bytes = b""
    flight_key: bytes = b""
    shape: Shape = Shape.WHOLE
    cacheable: bool = False
    looks_up: bool = False
    intent: str = ""
    question: Question | None = None
    relay: Relay | None = None
    trial: Trial | None = None
    stale: Answer | None = None
    asked: str = ""
    aimed: Aimed | None = None
    purpose: str = ""
    counted: bytes = b""
    kept: bytes = b""
    lease: bytes = b""
    purge_seq: int = 0
    error: HeadraceError | None = None
    waits_until_s: float = 0.0
    charge: Charged | None = None
    asker_books: bool = False
    sent_bytes: int = 0
    remarks: Remarks = ()

    @property
    def sent(self) -> bytes:
        """Its body as it was sent, where tokens are counted; empty otherwise."""
        if self.draft is None or not self.counted:
            return self.counted
        return self.draft.sent(*self.target)

    @property
    def way(self) -> Lane:
        """The way to its provider, once it is routed."""
        assert self.lane is not None, "asked before it was routed"  # noqa: S101
        return self.lane

    @property
    def target(self) -> tuple[str, str]:
        """Who is asked now: provider and model, once it is routed."""
        assert self.lane is not None, "asked before it was routed"  # noqa: S101
        return self.lane.endpoint.name, self.model

    def source(
        self,
        cache: CacheResult,
        provider: str,
        model: str,
        flight: Outcome | None = None,
        stale: Stale | None = None,
    ) -> Source:
        """What is told of where its answer comes from.

        Args:
            cache: how the cache answers.
            provider: who gave the answer, or is asked.
            model: what that calls the model.
            flight: the call that brings it.
            stale: why its time may be over.
        """
        key, asked = self.key, self.asked or self.view.model
        told, intent, streams = self.remarks, self.intent, self.view.stream
        return Source(
            cache, provider, model, flight, stale, key, told, asked, intent, is_stream=streams
        )

    def take_aim(self, aim: Aim) -> None:
        """Turn to the model that it is aimed at, in place of the one it names.

        What the cache asks again names the model already that was chosen; what is asked ahead of
        callers, from a file, is chosen as they would be.
        """
        if self.purpose not in _CHOSEN_FOR:
            return
        model, document, counts = self.view.model, self.document, not self.purpose
        aimed = aim.at(self.call, model, document, len(self.body), counts=counts)
        if aimed is None:
            return
        self.aimed = aimed
        self.intent = aimed.intent
        self.remarks += aimed.remarks
        if aimed.terms is not None:
            self.call = aimed.terms.hinted(self.call)
        if not self.digest:  # of what the caller sent
            self.digest = repeat_key(self.call.repeat_scope, self.body)
        changes = dict(aimed.changes)
        if aimed.model != model:
            changes["model"] = aimed.model
            self.asked = model
            self.view = msgspec.structs.replace(self.view, model=aimed.model)
        if changes:
            self.document = {**document, **changes}
            self.body = with_fields(self.body, changes)

    def turn_to(self, model: str) -> None:
        """Ask for another model than the caller did; the same body may lead elsewhere later."""
        self.digest = repeat_key(self.call.repeat_scope, model.encode() + b"\n" + self.body)
        self.asked = ""  # what was asked for has no part in it any more
        self.view = msgspec.structs.replace(self.view, model=model)
        self.document = {**self.document, "model": model}
        self.body = with_model(self.body, model)

    def divert(self, targets: tuple[Target, ...]) -> None:
        """Have others asked than those of the model that is wanted; their answer is nobody else's,
        and whoever aimed it does not hear of it.

        Args:
            targets: who may be asked, in the order of preference.
        """
        self.targets, self.choice, self.trial, self.aimed = targets, None, None, None
        self.lane, self.model = self.lane_of(targets[0]), targets[0].model
        self.cacheable = False

    def book(self, answer: Answer | None) -> None:
        """Let those know who aimed it how its call went; `None`: it got no whole answer."""
        if self.aimed is None or self.purpose:
            return
        for book in self.aimed.books:
            if answer is None:
                book.failed()
            else:
                book.answered(answer)

    def rank(self, choice: Choice, now_s: float) -> None:
        """Turn to the target that is to be asked first now."""
        self.targets = choice.ranked(self.targets, self.session, now_s)
        first = self.targets[0]
        self.lane, self.model = self.lane_of(first), first.model

    def lane_of(self, target: Target) -> Lane:
        """The way to a target."""
        assert self.plan is not None, "asked before it was routed"  # noqa: S101
        return self.plan.lanes[target.provider]

    def drafted(self, draft: Draft, lane: Lane, model: str) -> bytes:
        """The body for a target, but for the model's name.

        Raises:
            InvalidRequest: it cannot be made to fit the first one that is asked; the others are
                asked with it as it is, for what has failed then is another's fault.
        """
        refuses = draft.is_fresh and not any("too_long" in each.after for each in self.targets[1:])
        call, provider = self.call, lane.endpoint.name
        return draft.body(Recipient(call.dialect.name, provider, model, call.tenant, refuses))

    def note(self, target: Target, failure: Failure) -> None:
        """A target has failed, or could not be asked, which is noted once."""
        text = f"{target.provider}/{target.model}: {failure}"
        if failure not in ("open", "no_room") or text not in self.tried:
            self.tried += (text,)

    def remark(self, name: str, value: str) -> None:
        """Tell the caller by the header `x-headrace-NAME`, and the log.

        Args:
            name: end of the header's name, in lower case.
            value: one line of visible ASCII; what is not, is made so.
        """
        self.remarks += ((name, visible(value)),)

    def stop(self, error: HeadraceError) -> None:
        """It goes no further; who joined the call that it was to lead is told too."""
        self.error = error
        relay, self.relay = self.relay, None
        if relay is not None:
            relay.on_fault(error)


def find_choice(order: Order, choices: Mapping[str, Choice]) -> None:
    """Note who says which target is asked first, while the request is at hand."""
    order.choice = choice = choices.get(order.view.model)
    if choice is not None:
        order.session = choice.session(order.call.hints.session, order.document)


def counted_document(order: Order) -> dict[str, Any]:
    """What of a request counts in its key: not what only tells the provider what to keep."""
    marks, body = order.call.grammar.marks, order.body
    for mark in marks:  # a loop of its own: a generator costs more than the search
        if mark.encode() in body:
            return without_marks(order.document, marks)
    return order.document


def shape_of(view: RequestView) -> Shape:
    """The shape that a caller wants an answer in."""
    if not view.stream:
        return Shape.WHOLE
    return Shape.EVENTS_WITH_USAGE if view.include_usage else Shape.EVENTS


def with_model(body: bytes, model: str) -> bytes:
    """The same body for another model; every other value keeps its very bytes."""
    return with_fields(body, {"model": model})


def with_fields(body: bytes, values: Mapping[str, Any]) -> bytes:
    """The same body with other values for some fields; every other one keeps its very bytes.

    Raises:
        InvalidRequest: it is nested about as deeply as can be read.
    """
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except RecursionError:
        raise too_deep() from None
    fields.update({name: msgspec.Raw(msgspec.json.encode(each)) for name, each in values.items()})
    return msgspec.json.encode(fields)


def whole_body(order: Order, answer: Answer) -> bytes:
    """An answer to an order as one JSON document, whatever shape it is in."""
    if answer.shape is Shape.WHOLE:
        return answer.body
    return order.call.dialect.assemble(order.call.grammar.operation, answer.body)


def visible(text: str) -> str:
    """A text as one line of visible ASCII, for a header: what is not, becomes `?`."""
    if text.isascii() and text.isprintable():
        return text[:_VALUE_CHARS_MAX]
    return "".join(c if " " <= c <= "~" else "?" for c in text[:_VALUE_CHARS_MAX])


def asked_elsewhere() -> HeadraceError:
    """Why what is asked in the background is not asked."""
    return HeadraceError("The same is being asked already.")


def not_cached() -> HeadraceError:
    """Why a request that only a stored answer will do for has none."""
    return DeadlineExceeded("The answer is not in the cache.", code="not_cached")


def read_view(order: Order) -> None:
    """Read what is asked.

    Raises:
        InvalidRequest: it cannot be understood.
        Forbidden: the caller's key is not for this model.
    """
    call = order.call
    order.view = view = call.dialect.read_request(call.grammar.operation, order.document)
    if call.models and not allows(call.models, view.model):
        raise Forbidden(
            f"Key '{call.key}' may not ask for model '{view.model[:100]}'; GET /v1/models names "
            "those that it may (keys[].models).",
            code="model_not_allowed",
            param="model",
        )

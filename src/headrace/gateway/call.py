"""What the gateway is asked: everything of a request that does not depend on its body."""

from collections.abc import Callable

import msgspec

from headrace.cache.entry import Headers
from headrace.cache.key import scope_digest
from headrace.dialects.base import Dialect, Grammar, Operation
from headrace.flow.scheduler import Priority
from headrace.observe.telemetry.traces import Trace


class Hints(msgspec.Struct, frozen=True):
    """What the caller says about the cache for one request.

    Attributes:
        looks_up: whether a stored answer will do.
        stores: whether the answer may be stored.
        joins: whether a call under way for the same will do, where a stored answer would.
        cached_only: fail rather than ask a provider.
        age_s_max: oldest stored answer that will do, in seconds.
        ttl_s: how long to store the answer, in seconds; `None` is the configured time.
        deadline_s: the caller waits no longer than this, in seconds.
        tags: names the answer can be purged by.
        priority: whose turn comes first, where calls have to wait.
        session: calls of one name go to one target, where its model is balanced so.
    """

    looks_up: bool = True
    stores: bool = True
    joins: bool = True
    cached_only: bool = False
    age_s_max: float | None = None
    ttl_s: float | None = None
    deadline_s: float | None = None
    tags: tuple[str, ...] = ()
    priority: Priority = Priority.NORMAL
    session: bytes = b""


class Call(msgspec.Struct, frozen=True):
    """Who asks for what, in which grammar, and how.

    Attributes:
        forwarded: the caller's own headers that go to the provider, names in lower case.
        scope: digest of what separates this caller's answers from those of others.
        repeat_scope: the same, and what else of the head decides which answer its body leads to.
        key: name of the caller's key, where it has one.
        template: which template stands for the request; empty where the head names none.
        bare: the same without a template: what the call is once that has been put in.
        models: patterns of the models that may be asked for; empty for all of them.
    """

    dialect: Dialect
    grammar: Grammar
    tenant: str
    hints: Hints
    forwarded: Headers
    scope: bytes
    repeat_scope: bytes
    key: str = ""
    template: str = ""
    bare: "Call | None" = None
    models: tuple[str, ...] = ()


def make_call(
    dialect: Dialect,
    operation: Operation,
    tenant: str,
    hints: Hints,
    forwarded: Headers,
    *,
    by_session: bool = False,
    key: str = "",
    template: bytes = b"",
    models: tuple[str, ...] = (),
) -> Call:
    """Put a call together; its scope counts every forwarded header that can change the answer.

    Args:
        by_session: whether models are chosen by session, so that the same body may lead to another
            answer in another one.
        key: name of the caller's key.
        template: which template stands for the request, so that the same body means something else
            by another one; empty for none.
        models: patterns of the models that may be asked for, where not all may; so the same body
            may lead to a refusal.
    """
    parts = [tenant.encode(), operation.value.encode()]
    for name, value in sorted(forwarded):
        if name in dialect.variant_headers:
            parts += [name, value]
    grammar = dialect.grammars[operation]
    scope = scope_digest(*parts)
    repeat_scope = scope_digest(scope, hints.session) if by_session and hints.session else scope
    if models:
        repeat_scope = scope_digest(repeat_scope, b"models", *map(str.encode, models))
    call = Call(dialect, grammar, tenant, hints, forwarded, scope, repeat_scope, key, models=models)
    if not template:
        return call
    return msgspec.structs.replace(
        call,
        repeat_scope=scope_digest(repeat_scope, b"template", template),
        template=template.decode("latin-1"),
        bare=call,
    )


def spoken_over(call: Call, grammar: str) -> Call:
    """The call of a request in another grammar: no body of it is a repeat of one in the call's own.

    Args:
        call: what it becomes.
        grammar: what it was.
    """
    scope = scope_digest(call.repeat_scope, b"grammar", grammar.encode())
    return msgspec.structs.replace(call, repeat_scope=scope)


class Stopwatch:
    """Times the stages of one request.

    Attributes:
        began_s: when the request began, monotonic seconds.
        names: the stages passed so far, in order.
        times_ms: milliseconds spent in each of them.
        trace: where the request stands in a trace, where it is traced.
    """

    __slots__ = ("_last_s", "_now", "began_s", "names", "times_ms", "trace")

    def __init__(self, now: Callable[[], float], began_s: float) -> None:
        self._now = now
        self._last_s = self.began_s = began_s
        self.names: list[str] = []
        self.times_ms: list[float] = []
        self.trace: Trace | None = None

    def passed(self, stage: str, began_s: float = 0.0) -> None:
        """The stage that was under way is over.

        Args:
            stage: its name.
            began_s: when it began, where that was later than the end of the one before.
        """
        now_s, last_s = self._now(), self._last_s
        if began_s > last_s:  # `max` would cost as much as the rest
            last_s = began_s
        self.names.append(stage)
        self.times_ms.append((now_s - last_s) * 1000.0)
        self._last_s = now_s

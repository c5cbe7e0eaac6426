"""How long it takes to fit a conversation, and what big steps save where prompts are cached.

Conversations are made up from a seed: talks of questions and answers, and the work of agents, which
is mostly results of tools. Times are processor time of this thread, of requests decoded anew each
time, once every text has been counted before.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from random import Random
from statistics import median
from typing import Any, Final

import msgspec

from headrace.model import DialectName
from headrace.prompt.counting.counters import Counters
from headrace.prompt.window.fit import WindowBudget, fit_document
from headrace.prompt.window.weights import Scale

SEED: Final = 7
SPEED_TOKENS: Final = 200_000
SPEED_BUDGET: Final = 150_000
SPEED_MS_MAX: Final = 50.0
MESSAGES_MANY: Final = 100_000
GROWTH_BUDGET: Final = 60_000
GROWTH_WINDOWS: Final = 3
CACHED_SHARE_MIN: Final = 0.8
COST_SHARE_MAX: Final = 0.5
# Anthropic's: a token that is read from the cache, and one that is written to it.
READ_PRICE: Final = 0.1
WRITE_PRICE: Final = 1.25
MODELS: Final[Mapping[DialectName, str]] = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5"}
SHAPES: Final = ("talk", "agent")
_WORDS: Final = """
the a of to and in is that it was for on are with as his they be at one have this from or had by
hot but some what there we can out other were all your when up use word how said an each she
which do their time if will way about many then them would write like so these her long make
thing see him two has look more day could go come did my sound no most number who over
"""

Message = dict[str, Any]


class Row(msgspec.Struct, frozen=True):
    """One figure.

    Attributes:
        figure: what was measured.
        value: how much it was.
        unit: of what.
        goal: what it should be, empty where nothing is promised.
        is_kept: whether it is; `None` without a goal.
    """

    figure: str
    value: float
    unit: str
    goal: str = ""
    is_kept: bool | None = None


def talk(shape: str, dialect: DialectName, seed: int = SEED) -> Iterator[list[Message]]:
    """A conversation without an end, by what is added before each call of the model.

    Args:
        shape: one of `SHAPES`.
        dialect: how it is written.
        seed: what tells it from others.
    """
    random = Random(seed)
    text = _texts(random)
    yield [{"role": "user", "content": text(120)}]
    number = 0
    while True:
        rounds = random.randint(2, 9) if shape == "agent" else 0
        for _ in range(rounds):
            number += 1
            yield _tool(dialect, number, text(20), text(random.randint(50, 1200)))
        yield [
            {"role": "assistant", "content": text(random.randint(50, 400))},
            {"role": "user", "content": text(random.randint(10, 200))},
        ]


def of_tokens(shape: str, dialect: DialectName, tokens: int, scale: Scale) -> list[Message]:
    """The beginning of a conversation that comes to so many tokens."""
    messages: list[Message] = []
    held = 0
    for added in talk(shape, dialect):
        messages += added
        held += sum(map(scale.message, added))
        if held >= tokens:
            break
    return messages


def measure(runs: int, say: Callable[[str], object]) -> list[Row]:
    """All figures.

    Args:
        runs: how often each conversation is fitted.
        say: told what is under way.
    """
    rows: list[Row] = []
    for dialect, model in MODELS.items():
        count = Counters().of(model).tokens_of
        for shape in SHAPES:
            say(f"fitting {shape}, {dialect}")
            rows += speed(shape, dialect, count, runs)
    say(f"fitting {MESSAGES_MANY} messages")
    rows.append(many(runs))
    for shape in SHAPES:
        say(f"growing {shape}")
        rows += growth(shape)
    return rows


def speed(
    shape: str, dialect: DialectName, count: Callable[[str], int], runs: int
) -> Iterator[Row]:
    """How long one conversation takes, cold and warm."""
    # Made up with another counter, so that this one has seen nothing.
    messages = of_tokens(
        shape, dialect, SPEED_TOKENS, Scale(Counters().of("gpt-4o").tokens_of, dialect)
    )
    body = msgspec.json.encode({"messages": messages})
    times_ms = [_fit_ms(body, dialect, count, SPEED_BUDGET) for _ in range(runs + 1)]
    name = f"{SPEED_TOKENS // 1000}K tokens, {len(messages)} messages, {shape}, {dialect}"
    yield Row(f"{name}: never counted before", times_ms[0], "ms")
    warm = sorted(times_ms[1:])
    p95 = warm[min(len(warm) - 1, int(0.95 * len(warm)))]
    yield Row(f"{name}: median", median(warm), "ms")
    yield Row(f"{name}: p95", p95, "ms", f"below {SPEED_MS_MAX:g}", p95 < SPEED_MS_MAX)


def many(runs: int) -> Row:
    """How long very many short messages take."""
    said = [{"role": role, "content": "ok, go on"} for role in ("user", "assistant")]
    body = msgspec.json.encode({"messages": said * (MESSAGES_MANY // 2)})
    count = Counters().of("gpt-4o").tokens_of
    times_ms = [_fit_ms(body, "openai", count, SPEED_BUDGET) for _ in range(max(3, runs // 10))]
    return Row(f"{MESSAGES_MANY} messages of 3 tokens: median", median(times_ms), "ms")


def growth(shape: str) -> Iterator[Row]:
    """What prompts cost while a conversation outgrows its window several times."""
    sliding, _ = _grown(shape, WindowBudget(tokens=GROWTH_BUDGET, step_share=1e-6))
    name = f"{shape}: cut as little as possible"
    yield Row(f"{name}: prompt tokens read from the cache", sliding.cached, "%")
    yield Row(f"{name}: price of a prompt token, of the list price", 100 * sliding.price, "%")
    for step_share in (0.1, 0.25, 0.5):
        found, cuts = _grown(shape, WindowBudget(tokens=GROWTH_BUDGET, step_share=step_share))
        is_default = step_share == 0.25
        name = f"{shape}: steps of {step_share:g}"
        yield Row(f"{name}: cuts in {found.calls} calls", cuts, "")
        yield Row(
            f"{name}: prompt tokens read from the cache",
            found.cached,
            "%",
            f"{100 * CACHED_SHARE_MIN:g} or more" if is_default else "",
            found.cached >= 100 * CACHED_SHARE_MIN if is_default else None,
        )
        most = COST_SHARE_MAX * sliding.price
        yield Row(
            f"{name}: price of a prompt token, of the list price",
            100 * found.price,
            "%",
            f"{100 * most:.3g} or less" if is_default else "",
            found.price <= most if is_default else None,
        )


class _Bill(msgspec.Struct):
    """What the calls of a conversation come to once it is longer than the window."""

    calls: int = 0
    tokens: int = 0
    read: int = 0

    @property
    def cached(self) -> float:
        return 100 * self.read / self.tokens

    @property
    def price(self) -> float:
        return (self.read * READ_PRICE + (self.tokens - self.read) * WRITE_PRICE) / self.tokens


def _grown(shape: str, budget: WindowBudget) -> tuple[_Bill, int]:
    """Call the model with every message that is added; gives the bill, and how often it was cut."""
    count = Counters().of("gpt-4o").tokens_of
    scale = Scale(count, "openai")
    bill, cuts = _Bill(), 0
    messages: list[Message] = []
    before: list[Message] = []
    held = 0
    for added in talk(shape, "openai"):
        messages = messages + added
        held += sum(map(scale.message, added))
        if held > GROWTH_WINDOWS * budget.tokens:
            return bill, cuts
        fitted, report = fit_document(
            {"messages": messages}, dialect="openai", budget=budget, count=count
        )
        sent = fitted["messages"]
        if report.is_changed:
            same = _same(before, sent)
            bill.calls += 1
            bill.tokens += report.tokens_after
            bill.read += sum(map(scale.message, sent[:same]))
            cuts += same < len(before)
        before = sent
    raise AssertionError("talks have no end")


def _same(before: list[Message], after: list[Message]) -> int:
    """How many messages at the beginning are the same."""
    pairs = zip(before, after, strict=False)
    return next(
        (n for n, (old, new) in enumerate(pairs) if old != new), min(len(before), len(after))
    )


def _fit_ms(body: bytes, dialect: DialectName, count: Callable[[str], int], tokens: int) -> float:
    document = msgspec.json.decode(body)
    began_s = time.thread_time()
    _, report = fit_document(
        document, dialect=dialect, budget=WindowBudget(tokens=tokens), count=count
    )
    took_s = time.thread_time() - began_s
    assert report.tokens_after <= tokens < report.tokens_before
    return took_s * 1e3


def _texts(random: Random) -> Callable[[int], str]:
    known = _WORDS.split()
    return lambda words: " ".join(random.choices(known, k=words))


def _tool(dialect: DialectName, number: int, asked: str, found: str) -> list[Message]:
    name = f"call_{number}"
    if dialect == "anthropic":
        use = {"type": "tool_use", "id": name, "name": "search", "input": {"query": asked}}
        result = {"type": "tool_result", "tool_use_id": name, "content": found}
        return [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    function = {"name": "search", "arguments": msgspec.json.encode({"query": asked}).decode()}
    call = {"id": name, "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": name, "content": found},
    ]

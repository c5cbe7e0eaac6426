"""What marks save on a real gateway in front of a simulated provider that caches prompts.

The same seeded conversations, a turn of each in turn, with and without marks; what they cost is
worked out from the provider's own usage fields. Nothing here is timed.
"""

import contextlib
import http.client
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import gateway, processes
from benchmarks.prompt.caching_world import READ, WRITE_1H, WRITE_5M
from benchmarks.prompt.conversations import Conversation, Kind
from headrace.cache.simulation.estimate import Estimate, estimate
from headrace.model import DialectName
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

SAVED_MIN: Final = 0.5
"""The part of the input's cost that marks have to save where conversations go on."""
_CONVERSATIONS: Final = 4
_TURNS: Final = 8
# OpenAI's machines take about 15 calls of a key in a minute.
_BETWEEN_CALLS_S: Final = 5.0
_PATHS: Final[Mapping[DialectName, str]] = {
    "anthropic": "/v1/messages",
    "openai": "/v1/chat/completions",
}


class Subject(msgspec.Struct, frozen=True):
    """Which conversations with which model."""

    dialect: DialectName
    model: str
    kind: Kind


MULTI_TURN: Final = (
    Subject("anthropic", "claude-sonnet-4-5", "agent"),
    Subject("anthropic", "claude-sonnet-4-5", "chat"),
    Subject("openai", "gpt-5.6", "agent"),
    Subject("openai", "gpt-5.6", "chat"),
    Subject("openai", "gpt-5.5", "agent"),
    Subject("openai", "gpt-5.5", "chat"),
)
OTHERS: Final = (
    Subject("anthropic", "claude-sonnet-4-5", "documents"),
    Subject("openai", "gpt-5.6", "documents"),
    Subject("anthropic", "claude-sonnet-4-5", "one-shot"),
    Subject("openai", "gpt-5.6", "one-shot"),
)
Prompt = Mapping[str, Any]
MARKS: Final[Prompt] = {"marks": {"enabled": True}}
_ROOM_TOKENS: Final = 40_000
SHAPED: Final[Mapping[str, Prompt]] = {
    "as they are": MARKS,
    "compressed": {**MARKS, "compress": {"level": "safe"}},
    **{
        f"made to fit, in steps of {share:.0%}": {
            **MARKS,
            "window": {"enabled": True, "tokens_max": _ROOM_TOKENS, "step_share": share},
        }
        for share in (0.05, 0.25, 0.5)
    },
}
_SHAPED_CONVERSATIONS: Final = 2
_SHAPED_TURNS: Final = 40


class Bill(msgspec.Struct):
    """Input tokens of many calls as the provider billed them."""

    fresh: int = 0
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0

    def add(self, usage: Mapping[str, Any]) -> None:
        """The usage of one call, in either dialect's words."""
        if "input_tokens" in usage:
            written = usage["cache_creation"]
            self.fresh += usage["input_tokens"]
            self.read += usage["cache_read_input_tokens"]
            self.written_5m += written["ephemeral_5m_input_tokens"]
            self.written_1h += written["ephemeral_1h_input_tokens"]
        else:
            details = usage["prompt_tokens_details"]
            written_tokens = details.get("cache_write_tokens", 0)
            self.read += details["cached_tokens"]
            self.written_5m += written_tokens
            self.fresh += usage["prompt_tokens"] - details["cached_tokens"] - written_tokens

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.fresh + self.read + self.written_5m + self.written_1h

    @property
    def cost(self) -> float:
        """What they cost, in tokens at the input's price."""
        written = WRITE_5M * self.written_5m + WRITE_1H * self.written_1h
        return self.fresh + READ * self.read + written

    @property
    def cached_share(self) -> float:
        """The part that was read from the provider's cache."""
        return self.read / self.tokens


class Row(msgspec.Struct, frozen=True):
    """What marks did for one subject, over all seeds.

    Attributes:
        subject: which conversations.
        without: what the input cost without them, in multiples of its price.
        with_marks: and with them.
        saved: the part that they saved.
        goal: what that has to be at least, `None` where there is none.
        is_kept: whether it was, in the whole interval.
    """

    subject: Subject
    without: Estimate
    with_marks: Estimate
    saved: Estimate
    goal: float | None
    is_kept: bool


class Shape(msgspec.Struct, frozen=True):
    """What the provider's cache gave where prompts were changed on their way.

    Attributes:
        name: what was done to prompts.
        tokens: what was sent, in multiples of what came.
        cached_share: the part of what was sent that was read from the provider's cache.
        cost: of the input, in multiples of that of what came, without marks.
    """

    name: str
    tokens: float
    cached_share: float
    cost: float


def measure(seeds: Sequence[int], directory: Path, done: Callable[[str], None]) -> list[Row]:
    """What marks save, for every subject."""
    rows = []
    with running(SimOptions(prompt_cache=True)) as sim:
        for subject in (*MULTI_TURN, *OTHERS):
            done(f"{subject.dialect} {subject.model} {subject.kind}")
            bills = [
                [_bill(subject, prompt, seed, sim, directory) for seed in seeds]
                for prompt in ({}, MARKS)
            ]
            rows.append(_row(subject, *bills))
    return rows


def measure_shapes(seed: int, directory: Path, done: Callable[[str], None]) -> list[Shape]:
    """What becomes of the provider's cache where prompts are compressed and made to fit."""
    subject, shapes, came = MULTI_TURN[0], [], 0
    talks, turns = _SHAPED_CONVERSATIONS, _SHAPED_TURNS
    with running(SimOptions(prompt_cache=True)) as sim:
        for name, prompt in SHAPED.items():
            done(name)
            bill = _bill(subject, prompt, seed, sim, directory, talks=talks, turns=turns)
            came = came or bill.tokens
            shapes.append(Shape(name, bill.tokens / came, bill.cached_share, bill.cost / came))
    return shapes


def _row(subject: Subject, without: list[Bill], with_marks: list[Bill]) -> Row:
    saved = estimate([1 - b.cost / a.cost for a, b in zip(without, with_marks, strict=True)])
    goal = SAVED_MIN if subject in MULTI_TURN and subject.dialect == "anthropic" else None
    return Row(
        subject,
        estimate([bill.cost / bill.tokens for bill in without]),
        estimate([bill.cost / bill.tokens for bill in with_marks]),
        saved,
        goal,
        goal is None or saved.mean - (saved.margin or 0.0) >= goal,
    )


def _bill(
    subject: Subject,
    prompt: Prompt,
    seed: int,
    sim: ThreadedSim,
    directory: Path,
    *,
    talks: int = _CONVERSATIONS,
    turns: int = _TURNS,
) -> Bill:
    """What the conversations of one seed cost, through a gateway that was just started."""
    sim.reset()
    single = subject.kind in ("documents", "one-shot")
    count, turns = (talks * turns, 1) if single else (talks, turns)
    conversations = [
        Conversation(subject.kind, subject.dialect, f"sim/{subject.model}", seed, number)
        for number in range(count)
    ]
    bill = Bill()
    with _serving(subject.dialect, prompt, sim, directory) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30.0)
        for round_of_turns in zip(*(each.requests(turns) for each in conversations), strict=True):
            for document in round_of_turns:
                bill.add(_ask(connection, _PATHS[subject.dialect], document))
                sim.leap(_BETWEEN_CALLS_S)
        connection.close()
    return bill


def _ask(
    connection: http.client.HTTPConnection, path: str, document: Mapping[str, Any]
) -> Mapping[str, Any]:
    headers = {
        "authorization": f"Bearer {gateway.KEY}",
        "content-type": "application/json",
        "cache-control": "no-store",
    }
    connection.request("POST", path, json.dumps(document), headers)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise processes.ChildFailed(f"status {response.status}: {body[:200].decode()}")
    usage: Mapping[str, Any] = json.loads(body)["usage"]
    return usage


@contextlib.contextmanager
def _serving(
    dialect: DialectName, prompt: Prompt, sim: ThreadedSim, directory: Path
) -> Iterator[int]:
    port = processes.free_port()
    provider = {"dialect": dialect, "base_url": f"{sim.url}/v1", "api_key": "key", "marks": "on"}
    settings = {
        "data_dir": str(directory / "data"),
        "listen": {"host": "127.0.0.1", "port": port},
        "providers": {"sim": provider},
        "prompt": prompt,
        "keys": [{"key": gateway.KEY, "tenant": "bench"}],
        "log": {"format": "json", "file": str(directory / "headrace.log")},
    }
    file = directory / "headrace.yaml"
    file.write_text(json.dumps(settings))
    command = [sys.executable, "-m", *gateway.PROGRAM, "serve", "--config", str(file)]
    with processes.running(
        "gateway",
        command,
        directory,
        environment=gateway.environment(),
        working_directory=gateway.ROOT,
    ) as child:
        child.wait_ready(port, "/readyz")
        yield port

"""Gateways with tiers below memory, and callers that go on asking whatever becomes of those."""

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.support.gateway import Gateway
from tests.support.house import OPENAI, SPEECHES, Speech
from tests.support.waiting import eventually
from tests.support.wire import Response, ask, encode_request

from headrace.sim.thread import ThreadedSim

CALLERS = 3
QUESTIONS = 12
BACK_TIMEOUT_S = 60.0
NOBODY: Mapping[str, str] = {}

Document = dict[str, Any]


def tiered(sim: ThreadedSim, *, cache: Document, **more: Any) -> Document:
    """Settings with the provider in both dialects; memory holds one answer, so tiers are asked."""
    lanes = {
        speech.lane("sim"): {
            "dialect": speech.name,
            "base_url": sim.url + ("/v1" if speech.name == "openai" else ""),
        }
        for speech in SPEECHES
    }
    return {"providers": lanes, "cache": {"entries_max": 1, **cache}, **more}


def question(text: str, speech: Speech = OPENAI, **fields: Any) -> Document:
    """A request; equal texts make equal requests."""
    messages = [{"role": "user", "content": text}]
    return speech.document(speech.lane("sim") + "/sim-small", messages=messages, **fields)


def asking(
    gateway: Gateway, text: str, speech: Speech = OPENAI, headers: Mapping[str, str] = NOBODY
) -> Response:
    return gateway.post(speech.path, question(text, speech), headers=headers)


def words(response: Response, speech: Speech = OPENAI) -> str:
    """What a whole answer says."""
    said = response.json()
    if speech is OPENAI:
        return str(said["choices"][0]["message"]["content"])
    return "".join(block["text"] for block in said["content"])


def truth(sim: ThreadedSim, text: str, speech: Speech = OPENAI) -> str:
    """What the provider itself says to a question."""
    document = {**question(text, speech), "model": "sim-small"}
    return words(ask(sim.url, encode_request(speech.path, document)), speech)


def state(gateway: Gateway, tier: str) -> tuple[str, float]:
    """How a tier is: as `/readyz` tells, which has to say ready, and as the metrics do."""
    ready = gateway.get("/readyz")
    assert ready.status == 200, ready
    return ready.json()["tiers"][tier], gateway.metrics()[f'headrace_tier_up{{tier="{tier}"}}']


UP = ("up", 1.0)
DOWN = ("down", 0.0)


def lookups(gateway: Gateway, tier: str, outcome: str) -> float:
    series = f'headrace_tier_lookups_total{{tier="{tier}",outcome="{outcome}"}}'
    return gateway.metrics().get(series, 0.0)


def writes(gateway: Gateway, tier: str, outcome: str = "written") -> float:
    series = f'headrace_tier_writes_total{{tier="{tier}",outcome="{outcome}"}}'
    return gateway.metrics().get(series, 0.0)


def changes(gateway: Gateway, tier: str) -> list[str]:
    """The lines of the log about a tier that is left alone or back, in their order."""
    lines = [line for line in gateway.events() if line.get("about") == tier]
    return [line["event"] for line in lines if line["event"] in ("tier_down", "tier_up")]


class Callers:
    """Threads that ask the same few questions again and again, of which memory holds one.

    Attributes:
        found_in: where answers came from, in the order they came.
        is_lost: whether the gateway was killed, so that answers may break off.
    """

    def __init__(self, gateway: Gateway, sim: ThreadedSim) -> None:
        self._gateway = gateway
        self._texts = [f"Question {number}?" for number in range(QUESTIONS)]
        self._truth = {text: truth(sim, text) for text in self._texts}
        self._is_over = threading.Event()
        self._wrong: list[Response | BaseException] = []
        self._threads = [
            threading.Thread(target=self._ask_on, args=(first,)) for first in range(CALLERS)
        ]
        self.found_in: list[str | None] = []
        self.is_lost = False

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop asking; every answer has to have been the right one."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        assert not self._wrong, self._wrong

    def answered(self, more: int = 4 * QUESTIONS) -> list[str | None]:
        """Wait for some answers more; where they came from."""
        begin = len(self.found_in)
        eventually(lambda: self._wrong or len(self.found_in) >= begin + more, BACK_TIMEOUT_S)
        assert not self._wrong, self._wrong
        return self.found_in[begin:]

    def finds_in(self, tier: str) -> None:
        """Wait until a tier answers again."""
        eventually(lambda: self._wrong or tier in self.answered(QUESTIONS), BACK_TIMEOUT_S)
        assert not self._wrong, self._wrong

    def _ask_on(self, first: int) -> None:
        for number in itertools.count(first):
            if self._is_over.is_set():
                return
            text = self._texts[number % QUESTIONS]
            try:
                response = asking(self._gateway, text)
                is_right = response.status == 200 and words(response) == self._truth[text]
            except (OSError, AssertionError, LookupError, ValueError) as error:
                if not self.is_lost:
                    self._wrong.append(error)
                return
            if not is_right:
                self._wrong.append(response)
                return
            self.found_in.append(response.cache)


@contextmanager
def calling(gateway: Gateway, sim: ThreadedSim) -> Iterator[Callers]:
    """Callers under way; in the end all they were told has to have been right."""
    callers = Callers(gateway, sim)
    callers.start()
    try:
        yield callers
    finally:
        callers.end()

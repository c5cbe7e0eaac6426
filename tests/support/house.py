"""One gateway before one simulated provider, with every kind of lane a test may want."""

import itertools
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from tests.support.gateway import Gateway
from tests.support.wire import Response, ask, encode_request

from headrace.sim.faults import Fault
from headrace.sim.thread import ThreadedSim

Document = dict[str, Any]

TRICKLE_TOKENS = 40
_TRICKLE = {"x-sim-tokens": str(TRICKLE_TOKENS), "x-sim-token-ms": "10", "x-sim-ttft-ms": "10"}
_OUR_PORTS: Final = range(16_384, 32_768)
_PORTS_SHARE: Final = 256
_TIMEOUTS = {"first_byte_timeout_s": 0.8, "idle_timeout_s": 0.8}


class Speech(msgspec.Struct, frozen=True):
    """How a test speaks one dialect.

    Attributes:
        name: the dialect's.
        path: where its calls go.
        prefix: stands before the names of the lanes that speak it.
        final: what the last event of a complete stream holds.
    """

    name: str
    path: str
    prefix: str
    final: str

    def lane(self, kind: str) -> str:
        return self.prefix + kind

    def document(self, model: str, *, stream: bool = False, **fields: Any) -> Document:
        """A request; equal arguments make equal requests."""
        document: Document = {
            "model": model,
            "messages": [{"role": "user", "content": "Tell me of water."}],
        }
        if self.name == "anthropic":
            document["max_tokens"] = 40_000
        if stream:
            document["stream"] = True
        return {**document, **fields}

    def is_error_event(self, event: str) -> bool:
        """Whether the data of an event is an error as the dialect's SDK takes it."""
        error = msgspec.json.decode(event)
        if self.name == "anthropic":
            return error["type"] == "error" and bool(error["error"]["message"])
        return bool(error["error"]["message"])


OPENAI = Speech("openai", "/v1/chat/completions", "", "[DONE]")
ANTHROPIC = Speech("anthropic", "/v1/messages", "claude-", '"message_stop"')
SPEECHES = (OPENAI, ANTHROPIC)


def free_port() -> int:
    """A port on which nobody listens, and nobody will who is not told of it.

    The system hands out ports from 32768 on, also while the server that a test keeps one for is
    down. Those below are ours: shares that one process of tests has at a time, of which no port is
    given twice.
    """
    return next(_FREE_PORTS)


def _free_ports() -> Iterator[int]:
    shares = len(_OUR_PORTS) // _PORTS_SHARE
    claims = []
    for number in range(os.getpid(), os.getpid() + shares):
        first = number % shares * _PORTS_SHARE
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0headrace-tests-ports-{first}")
        except OSError:  # another process has this share
            claim.close()
            continue
        claims.append(claim)
        for port in _OUR_PORTS[first : first + _PORTS_SHARE]:
            try:
                socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                continue
            yield port
    raise AssertionError("every port of the tests has been given to one of them")


_FREE_PORTS: Final = _free_ports()


def lanes(sim_url: str) -> Document:
    """Providers for the settings file, in both dialects."""
    kinds: dict[str, Document] = {
        "sim": {},
        "trickle": {"headers": _TRICKLE},
        "slow": {"headers": {"x-sim-ttft-ms": "250"}},
        "flood": {"headers": {"x-sim-tokens": "32000"}},
        "impatient": _TIMEOUTS,
        "hasty": {"total_timeout_s": 0.8},
        "refused": {"warm_connections": 0},
        "stubborn": {"retry": {"wait_s_max": 0.01, "budget_floor": 1000}},
    }
    closed_url = f"http://127.0.0.1:{free_port()}"
    return {
        speech.lane(kind): {
            "dialect": speech.name,
            "base_url": (closed_url if kind == "refused" else sim_url) + "/v1",
            "retry": {"tries_max": 1},  # or what a provider does wrong would hardly be seen
            **settings,
        }
        for speech in SPEECHES
        for kind, settings in kinds.items()
    }


class House:
    """A gateway, its simulated provider, and names that nobody used before."""

    def __init__(self, gateway: Gateway, sim: ThreadedSim) -> None:
        self.gateway = gateway
        self.sim = sim
        self._numbers = itertools.count(1)

    @classmethod
    def build(
        cls, folder: Path, sim: ThreadedSim, *, admin_key: str | None = None, **settings: Any
    ) -> Self:
        """A house whose gateway has every lane and these settings besides."""
        whole = {"providers": lanes(sim.url), **settings}
        return cls(Gateway(folder, whole, admin_key=admin_key), sim)

    def model(self, lane: str = "sim") -> str:
        """A model that was never asked for, so that nothing of it is cached."""
        return f"{lane}/model-{next(self._numbers)}"

    def spoil(self, model: str, **fault: Any) -> None:
        """Let the provider fail in calls of this model only, the next one unless told otherwise."""
        self.sim.script(Fault(model=_own_name(model), **fault))

    def mend(self) -> None:
        """Let the provider fail no more."""
        self.sim.script()

    def calls(self, model: str) -> int:
        """How often the provider was asked for a model."""
        wanted = _own_name(model)
        return sum(models.get(wanted, 0) for models in self.sim.stats().requests.values())

    def ask(
        self, speech: Speech, document: Document, headers: Mapping[str, str] | None = None
    ) -> Response:
        """One request on a connection of its own."""
        return ask(self.gateway.url, encode_request(speech.path, document, headers=headers))

    def assert_sound(self) -> None:
        """The next good request of each dialect works, and nothing is left of those before."""
        for speech in SPEECHES:
            response = self.ask(speech, speech.document(self.model(speech.lane("sim"))))
            assert (response.status, response.cache) == (200, "miss"), response
        self.gateway.wait_until_quiet()
        assert self.gateway.bugs() == []


def _own_name(model: str) -> str:
    return model.partition("/")[2]

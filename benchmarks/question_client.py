"""Asks questions one after the other, or several at a time, and keeps what came."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence

import msgspec

from benchmarks.question_mix import Asked
from benchmarks.workload import Call

ANSWER_S_MAX = 30.0
# Above what the simulated provider says by itself: an answer that was cut is not stored.
TOKENS_MAX = 1024
# What answers say of themselves when the provider was asked.
CALLS = frozenset({"miss", "bypass", "none", ""})
SYSTEM = "You answer the customers of house {nonce} in one short sentence."


class Heard(msgspec.Struct, frozen=True):
    """One answer.

    Attributes:
        status: of HTTP.
        source: where it comes from, as it says.
        text: what it says.
    """

    status: int
    source: str
    text: str


def ask_all(
    call: Call, nonce: str, asked: Sequence[Asked], connections: int, pause_s: float = 0.0
) -> list[Heard]:
    """Ask everything in its order, as fast as answers come.

    Args:
        call: the target.
        nonce: a word that makes the questions of this run its own.
        asked: the questions.
        connections: how many are on their way at the same time.
        pause_s: before the next question, where the answer took a call.

    Returns:
        the answers, in the order of the questions.

    Raises:
        OSError: a connection broke.
        HTTPException: what came is no HTTP.
    """
    numbers = iter(range(len(asked)))
    heard: dict[int, Heard] = {}
    failures: list[OSError | http.client.HTTPException] = []

    def work() -> None:
        try:
            _ask(call, nonce, asked, numbers, heard, pause_s)
        except (OSError, http.client.HTTPException) as error:
            failures.append(error)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(connections)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    return [heard[number] for number in range(len(asked))]


def body(model: str, nonce: str, asked: Asked) -> bytes:
    """The body of a request; one that is written otherwise has the same fields in other bytes."""
    system = {"role": "system", "content": SYSTEM.format(nonce=nonce)}
    fields = {
        "model": model,
        "messages": [system, {"role": "user", "content": asked.text}],
        "temperature": 0,
        "max_tokens": TOKENS_MAX,
    }
    if not asked.otherwise:
        return json.dumps(fields, separators=(",", ":")).encode()
    return json.dumps(dict(reversed(fields.items())), indent=1).encode()


def _ask(
    call: Call,
    nonce: str,
    asked: Sequence[Asked],
    numbers: Iterator[int],
    heard: dict[int, Heard],
    pause_s: float,
) -> None:
    headers = {**dict(call.headers), "content-type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", call.port, timeout=ANSWER_S_MAX)
    try:
        for number in numbers:  # each goes to one thread only
            connection.request("POST", call.path, body(call.model, nonce, asked[number]), headers)
            answer = connection.getresponse()
            source = answer.getheader("x-headrace-cache", "")
            heard[number] = Heard(answer.status, source, _text(answer.status, answer.read()))
            if source in CALLS:
                time.sleep(pause_s)
    finally:
        connection.close()


def _text(status: int, document: bytes) -> str:
    if status != 200:
        return ""
    return str(json.loads(document)["choices"][0]["message"]["content"])

"""The parts of `headrace cache warm`: addresses, connections, outcomes, and what is shown."""

import io
import json
import socket
import threading

import pytest
from rich.console import Console
from tests.support.house import free_port
from tests.support.provider import scripted, sized

from headrace.cache.warm_file import Prompt, read_prompt
from headrace.cli.cache_warm_lines import Address, Line, Reply, Unreachable, parse_address
from headrace.cli.cache_warm_outcome import Kind, Outcome, judge
from headrace.cli.cache_warm_view import Bar, Summary, show
from headrace.dialects.openai import OpenAIDialect
from headrace.model import Usage

PROMPT: Prompt = read_prompt(b'{"prompt": "hi", "model": "m"}', 7)
DIALECT = OpenAIDialect()
TIMEOUT_S = 20.0
CHOICE = {"index": 0, "message": {"content": "yes"}, "finish_reason": "stop"}
GOOD = json.dumps(
    {
        "object": "chat.completion",
        "choices": [CHOICE],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
).encode()


def outcome(status: int = 200, body: bytes = GOOD, **headers: str) -> Outcome:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return judge(PROMPT, Reply(status, named, body), DIALECT)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8080", Address(False, "127.0.0.1", 8080, "")),
        ("http://127.0.0.1:8080/v1/", Address(False, "127.0.0.1", 8080, "")),
        ("https://llm.example.com/gate/v1", Address(True, "llm.example.com", None, "/gate")),
        ("http://[::1]:1", Address(False, "::1", 1, "")),
    ],
)
def test_an_address_is_read(url: str, address: Address):
    assert parse_address(url) == address


@pytest.mark.parametrize("url", ["", "h:80", "ftp://h", "http://", "http://h:x", "http://h:99999"])
def test_what_is_no_address_is_refused(url: str):
    with pytest.raises(ValueError, match=r".+"):
        parse_address(url)


def test_a_connection_that_was_closed_meanwhile_is_opened_again():
    with scripted() as server:
        server.answers = [sized(b"one"), sized(b"two")]  # each ends its connection
        line = Line(Address(False, "127.0.0.1", server.port, "/gate"), "key")
        assert line.post("/v1/x", b"{}", {"a": "b"}).body == b"one"
        assert line.get("/v1/y").body == b"two"
        line.close()
    first, second = server.heads
    assert first.startswith(b"POST /gate/v1/x ")
    assert b"authorization: Bearer key" in first
    assert second.startswith(b"GET /gate/v1/y ")


def test_nobody_there_and_a_broken_answer_are_told_apart():
    line = Line(Address(False, "127.0.0.1", free_port(), ""), None)
    with pytest.raises(Unreachable) as absent:
        line.get("/")
    assert absent.value.is_absent
    with scripted() as server:
        server.answers = [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"]
        line = Line(Address(False, "127.0.0.1", server.port, ""), None)
        with pytest.raises(Unreachable) as broken:
            line.get("/")
        assert not broken.value.is_absent
        assert broken.value.message.startswith("the connection broke: ")
        server.answers = [b"SSH-2.0-OpenSSH\r\n"]
        with pytest.raises(Unreachable):
            line.get("/")


def test_what_is_cut_ends_and_is_not_asked_again():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT_S)
        line = Line(Address(False, "127.0.0.1", listener.getsockname()[1], ""), None)
        line._open()
        client, _ = listener.accept()
        caught: list[Unreachable] = []

        def ask() -> None:
            with pytest.raises(Unreachable) as broken:
                line.get("/")
            caught.append(broken.value)

        asking = threading.Thread(target=ask)
        asking.start()
        with client:
            assert client.recv(65536).startswith(b"GET / ")
            line.cut()
            asking.join(TIMEOUT_S)
            assert client.recv(65536) == b""
        assert len(caught) == 1
        with pytest.raises(Unreachable):
            line.get("/")


def test_what_is_cut_before_it_begins_is_not_asked():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = Line(Address(False, "127.0.0.1", listener.getsockname()[1], ""), None)
        line.cut()
        with pytest.raises(Unreachable):
            line.get("/")


@pytest.mark.parametrize("found", ["l1", "l2", "l3", "semantic", "joined"])
def test_what_was_stored_costs_nothing(found: str):
    told = outcome(x_headrace_cache=found, x_headrace_cost_usd="0")
    assert told == Outcome(7, Kind.THERE)


def test_what_was_asked_tells_tokens_and_dollars():
    told = outcome(x_headrace_cache="miss", x_headrace_cost_usd="0.000123")
    usage = Usage(input_tokens=3, output_tokens=2)
    assert told == Outcome(7, Kind.ASKED, usage=usage, usd=0.000123)
    assert outcome(x_headrace_cache="miss").usd is None


@pytest.mark.parametrize(
    ("finish", "found", "why"),
    [
        ("length", "miss", "the answer is not stored: truncated"),
        ("content_filter", "miss", "the answer is not stored: filtered"),
        ("stop", "bypass", "the gateway's settings do not cache this request"),
    ],
)
def test_what_was_asked_in_vain_is_told(finish: str, found: str, why: str):
    body = GOOD.replace(b'"stop"', f'"{finish}"'.encode())
    told = outcome(body=body, x_headrace_cache=found)
    assert (told.kind, told.why) == (Kind.NOT_STORED, why)


def test_a_stale_answer_in_place_of_a_failure_is_a_failure():
    told = outcome(x_headrace_cache="l1", x_headrace_stale="if-error")
    assert told.kind is Kind.FAILED
    fresh = outcome(x_headrace_cache="l1", x_headrace_stale="while-revalidate")
    assert fresh.kind is Kind.THERE


def test_a_text_in_place_of_an_answer_is_a_failure():
    told = outcome(x_headrace_cache="miss", x_headrace_fallback="text")
    assert told.kind is Kind.FAILED


def test_an_answer_of_somebody_else_ends_it():
    told = outcome()
    assert (told.kind, told.ends_all) == (Kind.FAILED, True)


@pytest.mark.parametrize(
    ("status", "body", "why", "ends_all"),
    [
        (401, b'{"error": {"code": "k", "message": "no"}}', "401 k: no", True),
        (
            400,
            b'{"type":"error","error":{"type":"t","message":"a\\u001b b"}}',
            "400 t: a? b",
            False,
        ),
        (502, b"<html>", "502 error: <html>", False),
        (502, b'{"error": "text"}', '502 error: {"error": "text"}', False),
        (500, b"[1]", "500 error: [1]", False),
    ],
)
def test_a_refusal_is_told_in_its_own_words(status: int, body: bytes, why: str, ends_all: bool):
    told = outcome(status, body)
    assert (told.kind, told.why, told.ends_all) == (Kind.FAILED, why, ends_all)


def test_what_is_not_cached_is_no_failure_of_a_dry_run():
    body = b'{"error": {"code": "not_cached", "message": "no"}}'
    assert outcome(504, body) == Outcome(7, Kind.ABSENT)
    assert outcome(504, b"{}").kind is Kind.FAILED


def shown(summary: Summary) -> str:
    console = Console(file=io.StringIO(), width=100)
    show(summary, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_many_failures_are_told_briefly():
    summary = Summary(40, is_probe=False)
    for line in range(1, 31):
        summary.add(Outcome(line, Kind.FAILED, "429 slow down" if line % 2 else f"why {line}"))
    text = shown(summary)
    assert "lines 1, 3, 5, 7, 9, 11, 13, 15 and 7 more: 429 slow down" in text
    assert "line 2: why 2" in text
    assert "and 6 more reasons" in text
    assert not summary.is_good
    assert ("not tried", "10") in [tuple(line.strip().split("  ", 1)) for line in squeezed(text)]


def squeezed(text: str) -> list[str]:
    """Lines whose longer gaps are two blanks."""
    return [
        "  ".join(part for part in line.split("  ") if part.strip()) for line in text.split("\n")
    ]


def test_a_dry_run_tells_no_cost():
    summary = Summary(1, is_probe=True)
    summary.add(Outcome(1, Kind.ABSENT))
    assert "would be asked" in shown(summary)
    assert "cost" not in shown(summary)
    assert summary.is_good


def test_the_bar_moves_on_a_terminal_only():
    for is_terminal in (True, False):
        summary = Summary(2, is_probe=False)
        file = io.StringIO()
        console = Console(file=file, force_terminal=is_terminal, width=100, legacy_windows=False)
        with Bar(summary, console) as bar:
            summary.add(Outcome(1, Kind.ASKED, usd=0.5))
            bar.move()
        assert ("1/2" in file.getvalue()) is is_terminal
        assert ("$0.5000" in file.getvalue()) is is_terminal

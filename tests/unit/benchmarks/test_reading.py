"""What the benchmark reads: answers, summaries, status pages."""

import json

import pytest
from benchmarks.http_client import answer_length, arrivals_s
from benchmarks.nginx import parse_stub_status
from benchmarks.probe import parse_head
from benchmarks.processes import ChildFailed
from benchmarks.workload import Call, chat_request, completion, stream_event
from benchmarks.wrk import WrkSummary, parse_summary


def test_requests_differ_in_their_counter_only_and_keep_their_length() -> None:
    template = chat_request(Call(80, headers=(("authorization", "Bearer k"),)), "abc")
    first, later = template.request(7), template.request(123_456)
    assert first != later
    assert len(first) == len(later)
    head, _, body = later.partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head
    assert b"authorization: Bearer k" in head
    assert "Case abc-000000000123456:" in json.loads(body)["messages"][1]["content"]


def test_a_stream_is_asked_for_with_its_length_and_pace() -> None:
    request = chat_request(Call(80), "abc", stream_chunks=5, chunk_every=2).request(0)
    document = json.loads(request.partition(b"\r\n\r\n")[2])
    assert document["stream"] is True
    assert document["max_tokens"] == 5
    assert document["metadata"] == {"chunk_every": "2"}


def test_the_mocks_bodies_have_the_sizes_that_are_promised() -> None:
    body = chat_request(Call(80), "0123456789ab").request(0).partition(b"\r\n\r\n")[2]
    assert 280 <= len(body) <= 340
    assert 320 <= len(completion()) <= 380
    assert 170 <= len(stream_event({"content": " water"}, None)) <= 190


def test_an_answers_length_is_known_once_its_head_is_whole() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nserver: x\r\n\r\nhello"
    assert answer_length(answer[:30]) is None
    assert answer_length(answer[:-3]) == len(answer)
    assert answer_length(answer + b"HTTP/1.1 200") == len(answer)


def test_an_answer_that_hides_its_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="without content-length"):
        answer_length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


def test_arrivals_are_fixed_by_the_seed_and_keep_the_rate() -> None:
    times = arrivals_s(1000.0, 10.0, seed=3)
    assert times == arrivals_s(1000.0, 10.0, seed=3)
    assert times == sorted(times)
    assert times[-1] < 10.0
    assert 9_500 < len(times) < 10_500


def test_a_stub_status_page_tells_the_requests_served() -> None:
    page = (
        "Active connections: 2 \nserver accepts handled requests\n 12 12 345 \n"
        "Reading: 0 Writing: 1 Waiting: 1 \n"
    )
    assert parse_stub_status(page) == 345


def test_a_head_is_read_with_names_in_lower_case() -> None:
    answer = parse_head(b"HTTP/1.1 401 Unauthorized\r\nX-Headrace-Cache: l1\r\n\r\n{}")
    assert answer.status == 401
    assert answer.headers == {"x-headrace-cache": "l1"}


@pytest.mark.parametrize("garbage", [b"", b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n"])
def test_what_is_no_head_is_refused(garbage: bytes) -> None:
    with pytest.raises(ChildFailed, match="no HTTP answer"):
        parse_head(garbage)


def test_wrks_summary_is_found_among_its_other_lines() -> None:
    output = (
        "Running 1s test\n"
        'SUMMARY {"requests":10,"duration_us":1000,"errors":0,"p50_us":3,"p99_us":4}\n'
    )
    assert parse_summary(output) == WrkSummary(10, 1000, 0, 3, 4)


def test_wrk_without_a_summary_is_an_error() -> None:
    with pytest.raises(ChildFailed, match="unable to connect"):
        parse_summary("unable to connect to 127.0.0.1:1 Connection refused\n")

"""Files on their way in, over real connections: slow, broken off, while the gateway ends."""

import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from tests.integration.batches.conftest import Begin
from tests.support.gateway import Gateway
from tests.support.waiting import eventually

HEAD = b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b\r\n' + (
    b'content-disposition: form-data; name="file"; filename="a"\r\n\r\n'
)
TAIL = b"\r\n--b--\r\n"
MIB = 1 << 20


@pytest.fixture
def gateway(begin_gateway: Begin) -> Gateway:
    return begin_gateway(log={"level": "info"})


@contextlib.contextmanager
def wire(gateway: Gateway) -> Iterator[socket.socket]:
    place = urlsplit(gateway.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as line:
        yield line


def request(*lines: str, method: str = "POST") -> bytes:
    kind = "content-type: multipart/form-data; boundary=b"
    told = "\r\n".join([f"{method} /v1/files HTTP/1.1", "host: localhost", kind, *lines])
    return told.encode() + b"\r\n\r\n"


def answer(line: socket.socket) -> bytes:
    """All that comes, until the gateway closes."""
    got = b""
    while part := line.recv(65536):
        got += part
    return got


def files(folder: Path) -> list[Path]:
    kept = folder / "data" / "files"
    return list(kept.glob("file_*")) if kept.exists() else []


def test_a_large_file_takes_no_memory(gateway: Gateway, tmp_path: Path) -> None:
    process = psutil.Process(gateway.process.pid)
    size = 64 * MIB
    with wire(gateway) as line:
        line.sendall(request(f"content-length: {len(HEAD) + size + len(TAIL)}") + HEAD)
        line.sendall(bytes(MIB))
        before, most = process.memory_info().rss, 0
        for _ in range(size // MIB - 1):
            line.sendall(bytes(MIB))
            most = max(most, process.memory_info().rss)
        line.sendall(TAIL)
        assert answer(line).startswith(b"HTTP/1.1 200 ")
    assert most - before < 16 * MIB
    (file,) = files(tmp_path)
    assert file.stat().st_size == size


def test_a_client_that_leaves_leaves_nothing_behind(gateway: Gateway, tmp_path: Path) -> None:
    with wire(gateway) as line:
        line.sendall(request(f"content-length: {MIB}") + HEAD + bytes(1000))
        eventually(lambda: files(tmp_path))
    eventually(lambda: not files(tmp_path))
    eventually(lambda: [each["status"] for each in gateway.requests() if each["route"] == "api"])
    told = [each for each in gateway.requests() if each["route"] == "api"]
    assert [(each["status"], each["error"]) for each in told] == [(499, "client_gone")]
    gateway.stop()  # and nothing of it was a bug


def test_a_gateway_that_ends_waits_for_a_file(gateway: Gateway, tmp_path: Path) -> None:
    with wire(gateway) as line:
        whole = HEAD + b"{}" + TAIL
        line.sendall(request(f"content-length: {len(whole)}") + HEAD)
        eventually(lambda: files(tmp_path))
        gateway.signal(signal.SIGTERM)
        place = urlsplit(gateway.url)

        def is_closed() -> bool:
            try:
                socket.create_connection((place.hostname or "", place.port or 0), 1).close()
            except OSError:
                return True
            return False

        eventually(is_closed)
        line.sendall(b"{}" + TAIL)
        assert answer(line).startswith(b"HTTP/1.1 200 ")
    assert gateway.wait_for_exit() == 0
    assert gateway.bugs() == []


@pytest.mark.parametrize("waits", [False, True])
def test_a_file_in_chunks_comes_after_what_was_sent_before(gateway: Gateway, waits: bool) -> None:
    expect = ["expect: 100-continue"] if waits else []
    with wire(gateway) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        line.sendall(request("transfer-encoding: chunked", *expect))
        if waits:
            got = b""
            while b"100 Continue" not in got:
                got += line.recv(65536)
        for part in (HEAD, b"x" * 1000, b"y", TAIL):
            line.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        line.sendall(b"0\r\n\r\n")
        last = answer(line).rpartition(b"HTTP/1.1 ")[2]
    assert last.startswith(b"200 ")
    assert b'"bytes":1001' in last


def test_each_request_is_counted_and_logged_once(gateway: Gateway) -> None:
    with wire(gateway) as line:
        whole = HEAD + b"{}" + TAIL
        line.sendall(request(f"content-length: {len(whole)}") + whole)
        file_id = answer(line).rpartition(b'{"id":"')[2].partition(b'"')[0].decode()
    assert gateway.get(f"/v1/files/{file_id}/content").body == b"{}"
    assert gateway.get("/v1/files/none").status == 404
    eventually(lambda: len([each for each in gateway.requests() if each["route"] == "api"]) >= 3)
    told = [each for each in gateway.requests() if each["route"] == "api"]
    assert [each["status"] for each in told] == [200, 200, 404]
    assert told[0]["bytes_in"] == len(HEAD + b"{}" + TAIL)
    assert told[2]["error"] == "file_not_found"
    counted = {
        name: count
        for name, count in gateway.metrics().items()
        if name.startswith('headrace_requests_total{route="api"') and count
    }
    assert sum(counted.values()) == 3

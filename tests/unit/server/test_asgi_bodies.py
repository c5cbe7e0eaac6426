"""Bodies that come in parts to applications behind the bridge."""

from tests.support.asgi_apps import Reading, run, turns
from tests.support.connection import Client

from headrace.limits import FORM_BYTES_MAX, INLET_BYTES_HIGH, INLET_BYTES_LOW, INLET_STEP_BYTES
from headrace.settings import KeySettings, Secret
from headrace.settings.schema import ListenSettings

FILE_BYTES_MAX = 8 * INLET_BYTES_HIGH


def post(client: Client, path: str, *lines: str) -> None:
    head = "\r\n".join([f"POST {path} HTTP/1.1", "host: localhost", *lines])
    client.connection.data_received(head.encode() + b"\r\n\r\n")


def test_a_file_is_read_as_it_comes() -> None:
    async def test() -> None:
        app = Reading()
        client = Client(app=app, file_bytes_max=FILE_BYTES_MAX)
        post(client, "/v1/files", "content-length: 6")
        app.may_read.set()
        client.connection.data_received(b"abc")
        await turns()
        assert app.body == b"abc"
        client.connection.data_received(b"def")
        await turns()
        assert app.body == b"abcdef"
        assert client.transport.held.startswith(b"HTTP/1.1 200 ")
        assert client.transport.held.endswith(b"\r\n\r\n6")
        assert b"x-own: 1\r\ncontent-length: 1\r\n" in client.transport.held

    run(test)


def test_a_client_is_not_read_from_while_the_application_is_slow() -> None:
    async def test() -> None:
        app = Reading()
        client = Client(app=app, file_bytes_max=FILE_BYTES_MAX)
        post(client, "/v1/files", f"content-length: {4 * INLET_BYTES_HIGH}")
        half = bytes(INLET_BYTES_HIGH // 2)
        await turns()
        client.connection.data_received(half)
        client.connection.data_received(half)
        assert client.transport.is_reading
        client.connection.data_received(half)
        assert not client.transport.is_reading
        client.wait(3600)  # who is not read from is not late
        app.may_read.set()
        await turns()
        assert client.transport.is_reading
        for _ in range(5):
            client.connection.data_received(half)
            await turns()
        assert len(app.body) == 4 * INLET_BYTES_HIGH
        assert client.transport.held.startswith(b"HTTP/1.1 200 ")

    run(test)


def test_a_file_that_is_too_large_is_refused_before_anything_is_read() -> None:
    async def test() -> None:
        app = Reading()
        client = Client(app=app, file_bytes_max=FILE_BYTES_MAX)
        post(client, "/v1/files", f"content-length: {FILE_BYTES_MAX + FORM_BYTES_MAX + 1}")
        await turns()
        assert client.transport.held.startswith(b"HTTP/1.1 413 ")
        assert b"files.bytes_max" in client.transport.held
        assert b"connection: close" in client.transport.held
        assert app.scope == {}

    run(test)


def test_a_chunked_file_is_cut_at_the_bound() -> None:
    async def test() -> None:
        app = Reading()
        app.may_read.set()
        client = Client(app=app, file_bytes_max=FILE_BYTES_MAX)
        post(client, "/v1/files", "transfer-encoding: chunked")
        piece = bytes(INLET_BYTES_LOW)
        chunk = b"%x\r\n%b\r\n" % (len(piece), piece)
        for _ in range((FILE_BYTES_MAX + FORM_BYTES_MAX) // len(piece)):
            client.connection.data_received(chunk)
            await turns()
        assert client.transport.held == b""
        client.connection.data_received(chunk)
        await turns()
        assert client.transport.held.startswith(b"HTTP/1.1 413 ")

    run(test)


def test_a_chunked_file_comes_whole() -> None:
    async def test() -> None:
        app = Reading()
        app.may_read.set()
        client = Client(app=app, file_bytes_max=FILE_BYTES_MAX)
        post(client, "/v1/files", "transfer-encoding: chunked")
        client.connection.data_received(b"3\r\nabc\r\n" * 30_000)
        await turns()
        client.connection.data_received(b"0\r\n\r\n")
        await turns()
        assert app.body == b"abc" * 30_000
        assert client.transport.held.endswith(b"\r\n\r\n90000")

    run(test)


def test_who_waits_for_leave_gets_it_although_the_request_is_under_way() -> None:
    async def test() -> None:
        app = Reading()
        app.may_read.set()
        client = Client(app=app, file_bytes_max=FILE_BYTES_MAX)
        post(client, "/v1/files", "content-length: 2", "expect: 100-continue")
        assert client.transport.held == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.connection.data_received(b"ab")
        await turns()
        assert app.body == b"ab"

    run(test)


def test_who_has_no_key_is_refused_before_the_file_comes() -> None:
    async def test() -> None:
        app = Reading()
        keys = (KeySettings(key=Secret("k"), tenant="t"),)
        client = Client(app=app, file_bytes_max=FILE_BYTES_MAX, keys=keys)
        post(client, "/v1/files", "content-length: 2")
        assert client.transport.held.startswith(b"HTTP/1.1 401 ")

    run(test)


def test_a_file_that_comes_too_slowly_ends_as_a_timeout() -> None:
    async def test() -> None:
        app = Reading()
        app.may_read.set()
        bounds = ListenSettings(body_timeout_s=10)
        client = Client(app=app, bounds=bounds, file_bytes_max=FILE_BYTES_MAX)
        post(client, "/v1/files", f"content-length: {2 * INLET_STEP_BYTES}")
        client.wait(9)
        for _ in range(INLET_STEP_BYTES // INLET_BYTES_LOW):
            client.connection.data_received(bytes(INLET_BYTES_LOW))
            await turns()
        client.wait(9)  # a whole step has come since
        await turns()
        assert client.transport.held == b""
        client.wait(2)
        await turns()
        assert client.transport.held.startswith(b"HTTP/1.1 408 ")

    run(test)


def test_a_client_that_leaves_in_the_middle_of_a_file_is_told_of() -> None:
    async def test() -> None:
        app = Reading()
        app.may_read.set()
        client = Client(app=app, file_bytes_max=FILE_BYTES_MAX)
        post(client, "/v1/files", "content-length: 6")
        client.connection.data_received(b"abc")
        await turns()
        client.connection.connection_lost(None)
        await turns()
        assert app.got[-1] == {"type": "http.disconnect"}
        assert client.transport.held == b""

    run(test)


def test_other_bodies_are_collected_and_bounded_as_ever() -> None:
    async def test() -> None:
        app = Reading()
        app.may_read.set()
        client = Client(app=app, file_bytes_max=FILE_BYTES_MAX)
        post(client, "/v1/batches", "content-length: 6")
        client.connection.data_received(b"abc")
        await turns()
        assert app.got == []
        client.connection.data_received(b"def")
        await turns()
        assert app.got == [{"type": "http.request", "body": b"abcdef", "more_body": False}]

    run(test)

"""Batches and files that are not as they should be."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from tests.integration.batches.conftest import settings
from tests.support.batches import begin, client, jsonl, line, results, send, until
from tests.support.gateway import Gateway

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

GOOD = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("batches")


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    more = {
        "files": {"bytes_max": 1 << 20, "tenant_bytes_max": 4 << 20},
        "batches": {"lines_max": 100},
        "keys": [
            *({"key": name, "tenant": name} for name in ("k", "other", "full")),
            {"key": "boss", "tenant": "ops", "admin": True},
        ],
    }
    with (
        running(SimOptions()) as sim,
        Gateway(folder / "gateway", settings(sim.url, folder / "data", **more)) as served,
    ):
        yield served


def parts(folder: Path) -> list[str]:
    """What is left of files that did not come whole."""
    return [path.name for path in (folder / "data" / "files").glob("*.part")]


def without(name: str) -> dict[str, Any]:
    made = line(50)
    del made[name]
    return made


BAD: dict[str, tuple[Any, str]] = {
    "no JSON": ("{nothing", "invalid_json"),
    "no object": ("[1]", "invalid_json"),
    "half a text": ('{"custom_id": "a', "invalid_json"),
    "no custom id": (without("custom_id"), "missing_custom_id"),
    "a number as custom id": (line(50, custom_id=7), "missing_custom_id"),
    "too long a custom id": (line(50, custom_id="x" * 513), "invalid_custom_id"),
    "a custom id twice": (line(0), "duplicate_custom_id"),
    "no method": (without("method"), "invalid_method"),
    "another method": (line(50, method="GET"), "invalid_method"),
    "another url": (line(50, url="/v1/embeddings"), "invalid_url"),
    "no body": (without("body"), "invalid_body"),
    "a text as body": (line(50, body="hello"), "invalid_body"),
    "no model": (line(50, body={"messages": []}), "missing_model"),
    "a stream": (line(50, body={"model": "m", "stream": True}), "stream_not_allowed"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_told_by_its_number_and_the_rest_runs(gateway: Gateway, name: str) -> None:
    bad, code = BAD[name]
    lines = [line(n) for n in range(GOOD)]
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, jsonl([*lines, bad, line(99)])))
        assert batch.status == "completed"
        counts = batch.request_counts
        assert (counts.total, counts.completed, counts.failed) == (GOOD + 2, GOOD + 1, 1)
        (told,) = batch.errors.data
        assert (told.line, told.code) == (GOOD + 1, code)
        (wrong,) = results(sdk, batch.error_file_id)
        assert (wrong["error"]["code"], wrong["error"]["line"]) == (code, GOOD + 1)
        assert wrong["response"] is None
        assert len(results(sdk, batch.output_file_id)) == GOOD + 1


def test_what_the_gateway_refuses_is_an_error_of_the_line(gateway: Gateway) -> None:
    body = {"model": "m", "messages": "none"}
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, jsonl([line(0), line(1, body=body), line(2, body=body)])))
        wrong = results(sdk, batch.error_file_id)
    assert (batch.status, batch.request_counts.failed) == ("completed", 2)
    assert {each["custom_id"] for each in wrong} == {"c1", "c2"}
    assert {each["response"]["status_code"] for each in wrong} == {400}
    assert wrong[0]["response"]["body"]["error"]["param"] == "messages"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\n\r\n  \n", "empty_file"),
        (b"\xef\xbb\xbf", "empty_file"),
        (jsonl(["{", "}"]), "invalid_json"),
        (json.dumps(line(1)).encode("utf-16"), "invalid_json"),
        (jsonl(line(n) for n in range(101)), "too_many_lines"),
        (b"\n" * 200 + jsonl([line(1)]), "too_many_lines"),
        (b"\xff\xff{}\n", "invalid_json"),
    ],
)
def test_a_file_with_nothing_to_ask_fails(gateway: Gateway, content: bytes, code: str) -> None:
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, content))
        assert batch.status == "failed"
        assert batch.failed_at is not None
        assert batch.errors.data[0].code == code
        assert (batch.output_file_id, batch.error_file_id) == (None, None)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
def test_marks_and_line_ends_of_other_systems_do_no_harm(
    gateway: Gateway, mark: bytes, end: bytes
) -> None:
    content = mark + end.join(json.dumps(line(n)).encode() for n in range(GOOD))
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, content))
        assert batch.errors is None
        assert batch.request_counts.completed == GOOD


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"input_file_id": 1}, "input_file_id"),
        ({"input_file_id": None}, "input_file_id"),
        ({"endpoint": "/v1/completions"}, "endpoint"),
        ({"completion_window": "24"}, "completion_window"),
        ({"completion_window": "1000h"}, "completion_window"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        ({"metadata": {"x" * 65: "x"}}, "metadata"),
        ({"metadata": {"x": "x" * 513}}, "metadata"),
        ({"metadata": {"x": 1}}, "metadata"),
        ({"output_expires_after": {"seconds": 1}}, "expires_after.seconds"),
    ],
)
def test_a_wish_that_cannot_be_is_refused(
    gateway: Gateway, changes: dict[str, Any], param: str
) -> None:
    with client(gateway.url) as sdk:
        asked = {
            "input_file_id": send(sdk, jsonl([line(1)])),
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        wrong = {name: value for name, value in {**asked, **changes}.items() if value is not None}
        with pytest.raises(openai.BadRequestError) as refused:
            sdk.post("/batches", cast_to=object, body=wrong)
        assert refused.value.param == param


@pytest.mark.parametrize(
    ("query", "code"),
    [
        *((f"limit={limit}", "invalid_value") for limit in ("0", "101", "0000000019999", "x")),
        ("after=%00", "zero_byte"),
        ("order=up", "invalid_value"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
def test_pages_that_cannot_be_are_refused(
    gateway: Gateway, path: str, query: str, code: str
) -> None:
    answer = gateway.get(f"{path}?{query}", headers={"authorization": "Bearer k"})
    assert (answer.status, answer.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    "name",
    ["../../etc/cron.d/x", "/etc/passwd", "..\\..\\boot.ini", "a\x00b", "..", "\u202etxt.exe", ""],
)
def test_no_name_of_a_file_becomes_a_path(gateway: Gateway, name: str, folder: Path) -> None:
    with client(gateway.url) as sdk:
        file_id = sdk.files.create(file=(name or "x", b"{}"), purpose="batch").id
        file = sdk.files.retrieve(file_id)
        sdk.files.content(file_id)
    assert not {"/", "\\", "\x00", "\u202e"} & set(file.filename)
    assert file.filename not in ("", ".", "..")
    assert (folder / "data" / "files" / file_id).read_bytes() == b"{}"


@pytest.mark.parametrize("path", ["..%2f..%2fheadrace.yaml", "..", "file_..", "place", "%2e%2e"])
def test_no_id_of_a_file_becomes_a_path(gateway: Gateway, path: str) -> None:
    for end in ("", "/content"):
        answer = gateway.get(f"/v1/files/{path}{end}", headers={"authorization": "Bearer k"})
        assert answer.status == 404


def test_a_gigabyte_is_refused_before_it_is_read(gateway: Gateway) -> None:
    place = urlsplit(gateway.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as line_:
        line_.sendall(
            b"POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n"
            b"content-type: multipart/form-data; boundary=b\r\ncontent-length: 1073741824\r\n\r\n"
        )
        assert line_.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_file_above_the_bound_is_refused_and_leaves_nothing(
    gateway: Gateway, folder: Path
) -> None:
    with client(gateway.url) as sdk, pytest.raises(openai.APIStatusError) as refused:
        send(sdk, b"x" * ((1 << 20) + 1))
    assert refused.value.status_code == 413
    assert parts(folder) == []


def test_a_tenant_keeps_as_much_as_it_may(gateway: Gateway) -> None:
    with client(gateway.url, "full") as sdk:
        kept = [send(sdk, b"x" * (1 << 20)) for _ in range(4)]
        with pytest.raises(openai.BadRequestError) as refused:
            send(sdk, b"x" * 100_000)
        assert refused.value.code == "storage_full"
        sdk.files.delete(kept[0])
        send(sdk, b"x" * 100_000)
    with client(gateway.url, "other") as other:
        send(other, b"x" * (1 << 20))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"--b--"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"garbage"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n"),
        ("multipart/form-data; boundary=b", b'--b\r\ncontent-disposition: form-data; name="file"'),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b--\r\n',
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
            b"x\r\n--b\r\n"
            b'content-disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--\r\n',
        ),
    ],
)
def test_forms_that_are_none_are_refused(
    gateway: Gateway, folder: Path, kind: str, body: bytes
) -> None:
    answer = gateway.post(
        "/v1/files", body=body, headers={"authorization": "Bearer k", "content-type": kind}
    )
    assert answer.status == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert parts(folder) == []


def test_administrators_see_the_batches_of_all(gateway: Gateway) -> None:
    made = []
    for key in ("k", "other", "k"):
        with client(gateway.url, key) as sdk:
            made.append(until(sdk, begin(sdk, jsonl([line(1)]))).id)

    def seen(query: str, key: str = "boss") -> Any:
        headers = {"authorization": f"Bearer {key}"}
        return gateway.get(f"/admin/batches?{query}", headers=headers).json()

    page = seen("limit=2")
    assert [each["id"] for each in page["data"]] == [made[2], made[1]]
    assert [each["tenant"] for each in page["data"]] == ["k", "other"]
    assert page["has_more"]
    assert seen(f"after={made[2]}&limit=1")["data"][0]["id"] == made[1]
    assert seen("order=asc&tenant=other&limit=100")["data"][-1]["id"] == made[1]
    assert seen("limit=2", "k")["error"]["code"] == "not_allowed"


def test_another_tenant_sees_nothing(gateway: Gateway) -> None:
    with client(gateway.url) as sdk, client(gateway.url, "other") as other:
        file_id = send(sdk, jsonl([line(1)]))
        batch = until(sdk, begin(sdk, jsonl([line(1)])))
        for ask in (
            lambda: other.files.retrieve(file_id),
            lambda: other.files.content(file_id),
            lambda: other.files.delete(file_id),
            lambda: other.files.content(batch.output_file_id),
            lambda: other.batches.retrieve(batch.id),
            lambda: other.batches.cancel(batch.id),
            lambda: begin(other, b"{}", input_file_id=file_id),
        ):
            with pytest.raises(openai.NotFoundError):
                ask()
        assert batch.id not in [each.id for each in other.batches.list()]
        assert file_id not in [each.id for each in other.files.list()]
        assert sdk.files.retrieve(file_id).id == file_id

"""Files and batches by OpenAI's SDK."""

from collections.abc import Iterator

import openai
import pytest
from tests.e2e.conftest import APP_KEY
from tests.support.batches import begin, client, jsonl, line, results, send, until
from tests.support.gateway import Gateway


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with client(gateway.url, APP_KEY) as made:
        yield made


def chat_line(number: int, **body: object) -> dict[str, object]:
    made = line(number)
    return {**made, "body": {**made["body"], "model": "gpt-4o-mini", **body}}


def test_a_file_is_kept_listed_read_and_deleted(sdk: openai.OpenAI) -> None:
    content = jsonl([chat_line(1)])
    file_id = send(sdk, content, "../../etc/passwd")
    file = sdk.files.retrieve(file_id)
    assert (file.bytes, file.filename, file.purpose) == (len(content), "passwd", "batch")
    assert file.expires_at is not None
    assert file.expires_at - file.created_at == 30 * 86_400
    assert sdk.files.content(file_id).content == content
    others = [send(sdk, content) for _ in range(3)]
    assert [each.id for each in sdk.files.list(limit=2)][:4] == [*reversed(others), file_id]
    ascending = [each.id for each in sdk.files.list(limit=1, order="asc", purpose="batch")]
    assert ascending[-4:] == [file_id, *others]
    for each in (file_id, *others):
        assert sdk.files.delete(each).deleted
    with pytest.raises(openai.NotFoundError):
        sdk.files.retrieve(file_id)
    with pytest.raises(openai.NotFoundError):
        sdk.files.content(file_id)


def test_a_file_may_expire_earlier(sdk: openai.OpenAI) -> None:
    after = {"anchor": "created_at", "seconds": 7200}
    file = sdk.files.create(
        file=("a.jsonl", b"{}"),
        purpose="batch",
        expires_after=after,  # type: ignore[arg-type]
    )
    assert file.expires_at == file.created_at + 7200
    sdk.files.delete(file.id)


def test_a_batch_from_file_to_results(sdk: openai.OpenAI) -> None:
    count = 20
    batch_id = begin(sdk, jsonl(chat_line(n) for n in range(count)), metadata={"of": "test"})
    batch = until(sdk, batch_id)
    assert (batch.status, batch.errors, batch.error_file_id) == ("completed", None, None)
    assert batch.metadata == {"of": "test"}
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (count, count, 0)
    assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at
    assert batch.expires_at == batch.created_at + 86_400
    found = results(sdk, batch.output_file_id)
    assert sorted(each["custom_id"] for each in found) == sorted(f"c{n}" for n in range(count))
    assert {each["response"]["status_code"] for each in found} == {200}
    usage = [each["response"]["body"]["usage"] for each in found]
    assert batch.usage.input_tokens == sum(each["prompt_tokens"] for each in usage) > 0
    assert batch.usage.output_tokens == sum(each["completion_tokens"] for each in usage) > 0
    assert batch_id in [each.id for each in sdk.batches.list(limit=1)]
    output = sdk.files.retrieve(batch.output_file_id)
    assert output.purpose == "batch_output"


def test_embeddings_are_a_batch_too(sdk: openai.OpenAI) -> None:
    asked = [
        {
            "custom_id": f"e{n}",
            "method": "POST",
            "url": "/v1/embeddings",
            "body": {"model": "text-embedding-3-small", "input": f"text {n}"},
        }
        for n in range(3)
    ]
    batch = until(sdk, begin(sdk, jsonl(asked), endpoint="/v1/embeddings"))
    assert batch.status == "completed"
    assert len(results(sdk, batch.output_file_id)) == 3


def test_what_is_wrong_with_a_batch_is_told(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        sdk.batches.create(
            input_file_id="file_none", endpoint="/v1/embeddings", completion_window="24h"
        )
    assert missing.value.code == "file_not_found"
    with pytest.raises(openai.NotFoundError):
        sdk.batches.retrieve("batch_none")
    with pytest.raises(openai.NotFoundError):
        sdk.batches.cancel("batch_none")
    with pytest.raises(openai.BadRequestError) as wrong:
        sdk.files.create(file=("a", b"{}"), purpose="fine-tune")
    assert wrong.value.param == "purpose"

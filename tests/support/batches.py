"""Batches against a running gateway, by the official SDK or by hand."""

import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import openai
from tests.support.waiting import eventually

TERMINAL = ("completed", "failed", "expired", "cancelled")


def line(number: int, text: str | None = None, **changes: Any) -> dict[str, Any]:
    """A line as it should be, but for what is changed."""
    content = text if text is not None else f"What is {number} and one?"
    body = {"model": "m", "messages": [{"role": "user", "content": content}], "max_tokens": 8}
    whole = {"custom_id": f"c{number}", "method": "POST", "url": "/v1/chat/completions"}
    return {**whole, "body": body, **changes}


def jsonl(lines: Iterable[Any]) -> bytes:
    """Lines as a file; texts stand there as they are."""
    worded = (each if isinstance(each, str) else json.dumps(each) for each in lines)
    return "\n".join(worded).encode() + b"\n"


def client(url: str, key: str = "k") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60)


def send(sdk: openai.OpenAI, content: bytes, name: str = "batch.jsonl") -> str:
    """Upload a file; gives its id."""
    return sdk.files.create(file=(name, io.BytesIO(content)), purpose="batch").id


def begin(sdk: openai.OpenAI, content: bytes, **fields: Any) -> str:
    """Upload a file and ask for it as a batch; gives the batch's id."""
    asked = {
        "input_file_id": send(sdk, content),
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        **fields,
    }
    return sdk.batches.create(**asked).id


def until(
    sdk: openai.OpenAI,
    batch_id: str,
    is_there: Callable[[Any], bool] = lambda batch: batch.status in TERMINAL,
    timeout_s: float = 90.0,
) -> Any:
    """The batch, as soon as it is as wanted."""

    def look() -> Any:
        batch = sdk.batches.retrieve(batch_id)
        return batch if is_there(batch) else None

    return eventually(look, timeout_s)


def results(sdk: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    """The lines of a file of results."""
    if file_id is None:
        return []
    return [json.loads(each) for each in sdk.files.content(file_id).text.splitlines()]

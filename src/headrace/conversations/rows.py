"""Items, responses and conversations as rows, and back. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from headrace.dialects.responses.items import Item, item_text

Row = dict[str, Any]
NewId = Callable[[str], str]

# Words beyond are not looked for: what PostgreSQL indexes of one text is below 1 MiB.
WORDS_CHARS_MAX: Final = 100_000
_PREFIXES: Final[Mapping[str, str]] = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "reasoning": "rs",
}
_ID: Final = re.compile(r"[a-z]{1,8}_[0-9a-z]{26}")


def is_id(text: str) -> bool:
    """Whether a text may be the id of anything that is kept."""
    return _ID.fullmatch(text) is not None


def with_ids(items: Sequence[Item], new_id: NewId) -> list[Item]:
    """Items with ids of their own: those that callers send may be another item's already."""
    return [{"id": new_id(_PREFIXES[item["type"]]), **item} for item in items]


def item_rows(
    items: Sequence[Item], tenant: str, now_s: float, *, outputs: int = 0, response: str | None
) -> list[Row]:
    """Items as rows that are put in together.

    Args:
        items: with their ids, in order.
        tenant: whose they are.
        now_s: seconds since the epoch.
        outputs: how many of them, the last ones, a model said.
        response: the response that they came with.
    """
    given = len(items) - outputs
    return [
        _item_row(item, tenant, now_s)
        | {"response": response, "is_output": int(at >= given), "place": at}
        for at, item in enumerate(items)
    ]


def in_conversation(rows: Sequence[Row], conversation: str) -> list[Row]:
    """The same rows for a conversation that has made as many places for them."""
    return [
        {name: value for name, value in row.items() if name != "place"}
        | {"conversation": conversation, "behind": len(rows) - row["place"]}
        for row in rows
    ]


def rows_bytes(rows: Sequence[Row]) -> int:
    """How many bytes rows of items count as."""
    return sum(row["bytes"] for row in rows)


def read_item(row: Row) -> Item:
    """An item as it is told."""
    return {"id": row["id"], **msgspec.json.decode(row["body"], type=dict[str, Any])}


def read_response(row: Row, outputs: Sequence[Row]) -> dict[str, Any]:
    """A response as it is told."""
    body = msgspec.json.decode(row["body"], type=dict[str, Any])
    body["output"] = [read_item(output) for output in outputs]
    return body


def write_body(response: Mapping[str, Any]) -> str:
    """A response as it is kept: what was said is kept once, as items."""
    told = {name: value for name, value in response.items() if name != "output"}
    return msgspec.json.encode(told).decode()


def read_conversation(row: Row) -> dict[str, Any]:
    """A conversation as it is told."""
    return {
        "id": row["id"],
        "object": "conversation",
        "created_at": int(row["created_s"]),
        "metadata": msgspec.json.decode(row["metadata"]),
    }


def _item_row(item: Item, tenant: str, now_s: float) -> Row:
    told = {name: value for name, value in item.items() if name != "id"}
    body = msgspec.json.encode(told).decode()
    return {
        "id": item["id"],
        "tenant": tenant,
        "now_s": now_s,
        "bytes": len(body.encode()),
        "body": body,
        "words": item_text(item)[:WORDS_CHARS_MAX].replace("\0", " "),
    }

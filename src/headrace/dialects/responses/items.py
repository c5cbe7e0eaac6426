"""Items of the Responses API: what callers may send, read and made whole.

An item that was read has every field that one of its type has when it is listed again, but for
its id. Items that chat completions have no word for are refused, and say so.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from headrace.dialects.fields import missing, wrong
from headrace.errors import InvalidRequest

Item = dict[str, Any]

REFERENCE: Final = "item_reference"
ROLES: Final = ("user", "assistant", "system", "developer")
_STATES: Final = ("in_progress", "completed", "incomplete")
_DETAILS: Final = ("auto", "low", "high", "original")
# What tells a provider how much of a prompt to keep stays on the part that it stands on.
_MARKS: Final = ("prompt_cache_breakpoint", "cache_control")


def read_items(
    value: object, param: str = "input", *, takes_references: bool = False
) -> list[Item]:
    """What a request sends, as items.

    Args:
        value: a text, which is one message of the user, or an array of items.
        param: the field that it stands in.
        takes_references: whether an item may only name one that is kept.

    Raises:
        InvalidRequest: it is something else, or an item is not what it has to be.
    """
    if type(value) is str:
        return [_message("user", [{"type": "input_text", "text": value}])]
    if type(value) is not list:
        raise wrong(param, value, "a string or an array of items")
    readers = {**_READERS, REFERENCE: _read_reference} if takes_references else _READERS
    return [_read_item(item, f"{param}[{index}]", readers) for index, item in enumerate(value)]


def item_text(item: Item) -> str:
    """The words of an item, by which it is found again."""
    kind = item.get("type")
    if kind == "message":
        return "\n".join(_words(item.get("content")))
    if kind == "function_call":
        return f"{item.get('name', '')} {item.get('arguments', '')}"
    if kind == "function_call_output":
        return "\n".join(_words(item.get("output")))
    return "\n".join(_words(item.get("content"))) if kind == "reasoning" else ""


def unsupported(param: str, what: str, instead: str) -> InvalidRequest:
    """The refusal of what cannot be said in a chat completion."""
    return InvalidRequest(
        f"`{param}`: {what} cannot be served over chat completions; {instead}.",
        param=param,
        code="unsupported_parameter",
    )


def text_of(fields: Mapping[str, Any], field: str, param: str, wanted: str = "a string") -> str:
    """A text that has to be there.

    Raises:
        InvalidRequest: it is missing, or something else.
    """
    value = fields.get(field)
    if type(value) is str:
        return value
    if value is None:
        raise missing(f"{param}.{field}", wanted)
    raise wrong(f"{param}.{field}", value, wanted)


def _words(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            text = part.get("text", part.get("refusal")) if isinstance(part, dict) else None
            if isinstance(text, str):
                yield text


def _read_item(item: object, param: str, readers: "Mapping[str, _Reader]") -> Item:
    if type(item) is not dict:
        raise wrong(param, item, "an item: an object with `type`")
    kind = item.get("type")
    if kind is None and "role" not in item and "id" in item and REFERENCE in readers:
        kind = REFERENCE
    if kind is None and "role" in item:
        kind = "message"
    if kind is None:
        raise missing(f"{param}.type", "a string, such as `message`")
    if type(kind) is not str:
        raise wrong(f"{param}.type", kind, "a string, such as `message`")
    reader = readers.get(kind)
    if reader is None:
        raise unsupported(
            f"{param}.type", f"an item of type '{kind[:60]}'", f"there are {', '.join(readers)}"
        )
    return reader(item, param)


def _message(role: str, content: list[Item], status: str = "completed") -> Item:
    return {"type": "message", "role": role, "status": status, "content": content}


def _read_message(item: Item, param: str) -> Item:
    role = text_of(item, "role", param, f"one of {', '.join(ROLES)}")
    if role not in ROLES:
        raise _not_one_of(f"{param}.role", role, ROLES)
    content = item.get("content")
    if type(content) is str:
        kind = "output_text" if role == "assistant" else "input_text"
        parts = [_read_text({"type": kind, "text": content}, param)]
    else:
        parts = _read_parts(content, f"{param}.content")
    return _message(role, parts, _status(item, param))


def _read_parts(content: object, param: str) -> list[Item]:
    if type(content) is not list:
        if content is None:
            raise missing(param, "a string or an array of parts")
        raise wrong(param, content, "a string or an array of parts")
    return [_read_part(part, f"{param}[{index}]") for index, part in enumerate(content)]


def _read_part(part: object, param: str) -> Item:
    if type(part) is not dict:
        raise wrong(param, part, "a part: an object with `type`")
    kind = text_of(part, "type", param, "a string, such as `input_text`")
    reader = _PARTS.get(kind)
    if reader is None:
        raise unsupported(
            f"{param}.type", f"a part of type '{kind[:60]}'", f"there are {', '.join(_PARTS)}"
        )
    read = reader(part, param)
    for mark in _MARKS:
        if part.get(mark) is not None:
            read[mark] = part[mark]
    return read


def _read_text(part: Item, param: str) -> Item:
    text = text_of(part, "text", param)
    if part["type"] != "output_text":
        return {"type": "input_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _read_refusal(part: Item, param: str) -> Item:
    return {"type": "refusal", "refusal": text_of(part, "refusal", param)}


def _read_image(part: Item, param: str) -> Item:
    if part.get("file_id") is not None:
        raise unsupported(f"{param}.file_id", "an image by its file", "send `image_url`")
    detail = part.get("detail")
    if detail is None:
        detail = "auto"
    if detail not in _DETAILS:
        raise _not_one_of(f"{param}.detail", detail, _DETAILS)
    url = text_of(part, "image_url", param, "a URL, or the image as a `data:` URL")
    return {"type": "input_image", "image_url": url, "detail": detail}


def _read_file(part: Item, param: str) -> Item:
    for field in ("file_id", "file_url"):
        if part.get(field) is not None:
            raise unsupported(f"{param}.{field}", "a file by its name", "send `file_data`")
    read = {"type": "input_file", "file_data": text_of(part, "file_data", param)}
    if part.get("filename") is not None:
        read["filename"] = text_of(part, "filename", param)
    return read


def _read_audio(part: Item, param: str) -> Item:
    audio = part.get("input_audio")
    if type(audio) is not dict:
        raise wrong(f"{param}.input_audio", audio, "an object with `data` and `format`")
    return {"type": "input_audio", "input_audio": audio}


def _read_call(item: Item, param: str) -> Item:
    return {
        "type": "function_call",
        "call_id": text_of(item, "call_id", param),
        "name": text_of(item, "name", param),
        "arguments": text_of(item, "arguments", param, "a string of JSON"),
        "status": _status(item, param),
    }


def _read_output(item: Item, param: str) -> Item:
    output = item.get("output")
    if type(output) is not str:
        output = _read_parts(output, f"{param}.output")
    return {
        "type": "function_call_output",
        "call_id": text_of(item, "call_id", param),
        "output": output,
        "status": _status(item, param),
    }


def _read_reasoning(item: Item, param: str) -> Item:
    # Opaque to everybody but the model that thought it.
    for field in ("summary", "content"):
        if type(item.get(field)) not in (list, type(None)):
            raise wrong(f"{param}.{field}", item[field], "an array")
    kept = {name: item[name] for name in ("content", "encrypted_content") if item.get(name)}
    return {"type": "reasoning", "summary": item.get("summary") or [], **kept}


def _read_reference(item: Item, param: str) -> Item:
    return {"type": REFERENCE, "id": text_of(item, "id", param)}


def _status(item: Item, param: str) -> str:
    status = item.get("status")
    if status is None:
        return "completed"
    if status not in _STATES:
        raise _not_one_of(f"{param}.status", status, _STATES)
    return str(status)


def _not_one_of(param: str, value: object, names: tuple[str, ...]) -> InvalidRequest:
    if type(value) is not str:
        return wrong(param, value, f"one of {', '.join(names)}")
    return InvalidRequest(
        f"`{param}` is '{value[:60]}', but has to be one of {', '.join(names)}.",
        param=param,
        code="invalid_value",
    )


_Reader = Callable[[Item, str], Item]
_READERS: Final[Mapping[str, _Reader]] = {
    "message": _read_message,
    "function_call": _read_call,
    "function_call_output": _read_output,
    "reasoning": _read_reasoning,
}
_PARTS: Final[Mapping[str, _Reader]] = {
    "input_text": _read_text,
    "output_text": _read_text,
    "text": _read_text,
    "refusal": _read_refusal,
    "input_image": _read_image,
    "input_file": _read_file,
    "input_audio": _read_audio,
}

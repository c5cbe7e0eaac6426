"""Checks of request fields that the dialects share, worded for the person who reads them."""

from collections.abc import Mapping
from typing import Any

from headrace.errors import InvalidRequest

_KINDS: Mapping[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def kind_of(value: object) -> str:
    """What a decoded JSON value is, in JSON's words."""
    return _KINDS.get(type(value), type(value).__name__)


def wrong(param: str, value: object, wanted: str) -> InvalidRequest:
    """The error for a field of the wrong type."""
    return InvalidRequest(
        f"`{param}` is {kind_of(value)}, but has to be {wanted}.", param=param, code="invalid_type"
    )


def missing(param: str, wanted: str) -> InvalidRequest:
    """The error for a field that is not there."""
    return InvalidRequest(
        f"`{param}` is missing: add it as {wanted}.", param=param, code="missing_field"
    )


def read_model(document: dict[str, Any]) -> str:
    """The model's name.

    Raises:
        InvalidRequest: it is missing, empty or not a string.
    """
    model = document.get("model")
    if type(model) is str and model:
        return model
    if model is None:
        raise missing("model", "the name of a model, such as `/v1/models` lists them")
    if model == "":
        raise InvalidRequest(
            "`model` is empty: name a model, such as `/v1/models` lists them.",
            param="model",
            code="invalid_value",
        )
    raise wrong("model", model, "a string")


def check_messages(document: dict[str, Any]) -> None:
    """Check that `messages` is a non-empty array of objects that each have a role.

    Raises:
        InvalidRequest: it is not; `param` names the message at fault.
    """
    messages = document.get("messages")
    if type(messages) is not list:
        if messages is None:
            raise missing("messages", "an array of messages")
        raise wrong("messages", messages, "an array of messages")
    if not messages:
        raise InvalidRequest(
            "`messages` is empty: send at least one message.",
            param="messages",
            code="invalid_value",
        )
    for index, message in enumerate(messages):
        if type(message) is not dict:
            raise wrong(f"messages[{index}]", message, "an object with `role` and `content`")
        if type(message.get("role")) is not str:
            param = f"messages[{index}].role"
            if message.get("role") is None:
                raise missing(param, "a string, such as `user`")
            raise wrong(param, message["role"], "a string, such as `user`")


def read_flag(document: dict[str, Any], field: str, prefix: str = "") -> bool:
    """A boolean that is false where it is missing or null.

    Raises:
        InvalidRequest: it is something else.
    """
    value = document.get(field)
    if value is None or value is False:
        return False
    if value is True:
        return True
    raise wrong(prefix + field, value, "`true` or `false`")


def read_temperature(document: dict[str, Any]) -> float | None:
    """The sampling temperature, `None` where it is missing or null.

    Raises:
        InvalidRequest: it is not a number.
    """
    value = document.get("temperature")
    if value is None:
        return None
    if type(value) is float or type(value) is int:
        return _as_float("temperature", value)
    raise wrong("temperature", value, "a number")


def check_count(param: str, value: object) -> int:
    """An integer of at least 1.

    Raises:
        InvalidRequest: it is something else.
    """
    if type(value) is not int:
        raise wrong(param, value, "an integer of at least 1")
    if value < 1:
        raise InvalidRequest(
            f"`{param}` is {value}, but has to be at least 1.", param=param, code="invalid_value"
        )
    return value


def _as_float(param: str, value: float) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise InvalidRequest(
            f"`{param}` is too large for a number: send a smaller one.",
            param=param,
            code="invalid_value",
        ) from error

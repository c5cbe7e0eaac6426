"""Tools, the choice among them and the form of the answer, from one grammar to the other."""

from typing import Any, Final

from headrace.dialects.fields import wrong
from headrace.dialects.responses.items import Item, text_of, unsupported

_CHOICES: Final = ("none", "auto", "required")
_FUNCTION_FIELDS: Final = ("description", "parameters", "strict")


def read_tools(value: object) -> tuple[list[Item], list[Item]]:
    """The tools of a request: as they are told back, and as a chat takes them.

    Raises:
        InvalidRequest: one is not what it has to be, or is not a function.
    """
    if value is None:
        return [], []
    if type(value) is not list:
        raise wrong("tools", value, "an array of tools")
    told = [_read_tool(tool, f"tools[{index}]") for index, tool in enumerate(value)]
    return told, [_chat_tool(tool) for tool in told]


def read_choice(value: object) -> tuple[Any, Any]:
    """Which tool is to be used: as it is told back, and as a chat takes it.

    Raises:
        InvalidRequest: it is none of the ways to say so, or names a tool that is not a function.
    """
    if value is None:
        return "auto", None
    if isinstance(value, str) and value in _CHOICES:
        return value, value
    if type(value) is not dict:
        raise wrong("tool_choice", value, "`none`, `auto`, `required` or an object")
    kind = text_of(value, "type", "tool_choice")
    if kind == "function":
        name = text_of(value, "name", "tool_choice")
        return {"type": kind, "name": name}, {"type": kind, "function": {"name": name}}
    if kind == "allowed_tools":
        return value, _allowed(value)
    raise unsupported("tool_choice.type", f"the tool '{kind[:60]}'", "name a function")


def read_format(value: object) -> tuple[Item, Item | None]:
    """The form of the answer: as it is told back, and as a chat takes it.

    Raises:
        InvalidRequest: there is no such form.
    """
    if value is None:
        return {"type": "text"}, None
    if type(value) is not dict:
        raise wrong("text.format", value, "an object with `type`")
    kind = text_of(value, "type", "text.format")
    if kind == "text":
        return {"type": "text"}, None
    if kind == "json_object":
        return {"type": kind}, {"type": kind}
    if kind != "json_schema":
        raise unsupported(
            "text.format.type",
            f"the form '{kind[:60]}'",
            "there are text, json_object, json_schema",
        )
    inner = {"name": text_of(value, "name", "text.format"), "schema": value.get("schema")}
    if type(inner["schema"]) is not dict:
        raise wrong("text.format.schema", inner["schema"], "a JSON schema")
    for field in ("description", "strict"):
        if value.get(field) is not None:
            inner[field] = value[field]
    return {"type": kind, **inner}, {"type": kind, "json_schema": inner}


def _read_tool(tool: object, param: str) -> Item:
    if type(tool) is not dict:
        raise wrong(param, tool, "a tool: an object with `type`")
    kind = text_of(tool, "type", param, "a string, such as `function`")
    if kind != "function":
        raise unsupported(
            f"{param}.type", f"a tool of type '{kind[:60]}'", "give the model functions of your own"
        )
    read: Item = {"type": kind, "name": text_of(tool, "name", param)}
    read.update({field: tool.get(field) for field in _FUNCTION_FIELDS})
    if type(read["parameters"]) not in (dict, type(None)):
        raise wrong(f"{param}.parameters", read["parameters"], "a JSON schema")
    return read


def _chat_tool(tool: Item) -> Item:
    function = {"name": tool["name"]}
    function.update({n: tool[n] for n in _FUNCTION_FIELDS if tool[n] is not None})
    return {"type": "function", "function": function}


def _allowed(choice: Item) -> Item:
    tools = choice.get("tools")
    if type(tools) is not list:
        raise wrong("tool_choice.tools", tools, "an array of tools")
    named = []
    for index, tool in enumerate(tools):
        param = f"tool_choice.tools[{index}]"
        if type(tool) is not dict or tool.get("type") != "function":
            raise unsupported(param, "a tool that is not a function", "name functions")
        named.append({"type": "function", "function": {"name": text_of(tool, "name", param)}})
    mode = text_of(choice, "mode", "tool_choice", "`auto` or `required`")
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}

"""Scripts as models write them: what is asked for, and what is taken for one. Pure."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

TITLE_CHARS_MAX: Final = 300
SCENE_CHARS_MAX: Final = 2000
SCENES_MAX: Final = 100

_Title = Annotated[str, msgspec.Meta(min_length=1, max_length=TITLE_CHARS_MAX)]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=SCENE_CHARS_MAX)]
_FENCE: Final = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)
_BLANK: Final = re.compile(r"\s*")


class ScriptScene(msgspec.Struct, frozen=True):
    """One scene."""

    text: _Text


class Script(msgspec.Struct, frozen=True):
    """A script that can be made a video of.

    Attributes:
        title: of the whole.
        scenes: in order.
    """

    title: _Title
    scenes: Annotated[tuple[ScriptScene, ...], msgspec.Meta(min_length=1, max_length=SCENES_MAX)]

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the scenes."""
        return tuple(scene.text for scene in self.scenes)


class BadScript(ValueError):
    """What a model wrote is no script; the text says what is wrong with it."""


def response_format() -> dict[str, Any]:
    """What is asked for, as a request says it: the subset of JSON Schema that is kept strictly."""
    scene = _closed({"text": {"type": "string", "description": "one or two sentences"}})
    properties: dict[str, Any] = {
        "title": {"type": "string", "description": "at most 80 letters"},
        "scenes": {"type": "array", "items": scene},
    }
    described = {"name": "script", "strict": True, "schema": _closed(properties)}
    return {"type": "json_schema", "json_schema": described}


def read_script(text: str) -> Script:
    """The script in what a model wrote, with or without words and a code fence around it.

    Raises:
        BadScript: there is none.
    """
    try:
        script = msgspec.json.decode(_json_in(text), type=Script)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise BadScript(str(error)) from error
    for at, scene in enumerate(script.scenes):
        if _BLANK.fullmatch(scene.text):
            raise BadScript(f"the text of scene {at + 1} is blank - at `$.scenes[{at}].text`")
    if _BLANK.fullmatch(script.title):
        raise BadScript("the title is blank - at `$.title`")
    return script


def repair_messages(
    messages: list[Mapping[str, Any]], answer: str, complaint: str
) -> list[Mapping[str, Any]]:
    """The conversation in which a model is asked to put its script right."""
    asked = (
        f"That cannot be used: {complaint}. Answer with the corrected JSON and nothing else: "
        '{"title": "...", "scenes": [{"text": "..."}]}'
    )
    return [
        *messages,
        {"role": "assistant", "content": answer},
        {"role": "user", "content": asked},
    ]


def _json_in(text: str) -> str:
    fenced = _FENCE.search(text)
    if fenced:
        return fenced[1]
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }

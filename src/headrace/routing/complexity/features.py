"""What of a request speaks for how hard it is. Pure, and bounded whatever is sent.

Prompts explain only a part of it: on RouteLLM's response files their length alone recovers .59 of
the gap between a weak and a strong model where chance recovers .5, and word models no more (Ong et
al., "RouteLLM: Learning to Route LLMs with Preference Data", 2024). So each feature is cheap to
read, and what it is worth is learnt from what was seen (`fit.py`).
"""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from math import log2
from typing import Any, Final

import msgspec

from headrace.routing.complexity.words import counted

TEXT_CHARS_MAX: Final = 8_192
MESSAGES_MAX: Final = 256
PARTS_MAX: Final = 64
_ERROR_CHARS: Final = 240
_LETTERS_MAX: Final = 512
_LINES_MAX: Final = 256

# Plain comparisons of lines: patterns for all of a text take ten times as long.
_CODE_STARTS: Final = (
    *("def ", "class ", "import ", "return ", "return;", "#include", "func ", "fn ", "public "),
    *("private ", "const ", "let ", "var ", "SELECT ", "INSERT ", "UPDATE ", "CREATE ", "if ("),
    *("for (", "while (", "}", "$ "),
)
_CODE_ENDS: Final = (";", "{", "):", "->")
_STEP_STARTS: Final = ("- ", "* ", "• ")
_NUMBERED: Final = re.compile(r"\d{1,2}[.)] +\S")
_MATH: Final = re.compile(
    r"\\(?:frac|sum|int|sqrt|lim|begin\{)|\$\$|[∑∫√≤≥≠∞]|\b[a-z]\s*\^\s*[0-9n]|\b[a-z]\([a-z]\)\s*="
)
_MATH_SIGNS: Final = ("\\", "$$", "^", ")=", ") =", *"∑∫√≤≥≠∞")
_ERRORS: Final = (
    *("error", "exception", "traceback", "failed", "failure", "fatal", "denied", "not found"),
    *("timed out", "panic:"),
)
_NO_ERROR: Final = re.compile(
    r"[\"']errors?[\"']\s*:\s*(?:null|none|false|0|\[\])|\b(?:no|0) errors?\b"
)
_EXIT: Final = re.compile(r"exit (?:code|status)[ :]+[1-9]")
_STEPS_MAX: Final = 8
_CODE_LINES_MAX: Final = 4
_NOT_TEXT: Final = frozenset(
    ("image_url", "image", "input_audio", "audio", "file", "document", "video_url", "video")
)


class Features(msgspec.Struct, frozen=True):
    """What was read, each from 0 to 1, 1 being as much as counts.

    Attributes:
        length: of the last turn of the user, on a logarithmic scale to 64 K characters.
        context: of the whole request, on such a scale to a million bytes.
        hard_words: different words and phrases that ask for hard work, to 4.
        easy_words: the same of easy work, to 2.
        questions: marks in the last turn, to 4.
        code: lines of code in it, to 4, or a fence.
        math: whether it has formulas.
        steps: items of lists in it, to 8.
        tools: tools offered, on a logarithmic scale to 64.
        tool_errors: results of tools that tell of an error, of late, to 3.
        depth: turns of the user, on a logarithmic scale to 64.
        schema: whether the answer has to keep to a schema, or to call a tool.
        effort: whether the caller asks for much reasoning.
    """

    length: float = 0.0
    context: float = 0.0
    hard_words: float = 0.0
    easy_words: float = 0.0
    questions: float = 0.0
    code: float = 0.0
    math: float = 0.0
    steps: float = 0.0
    tools: float = 0.0
    tool_errors: float = 0.0
    depth: float = 0.0
    schema: float = 0.0
    effort: float = 0.0


NAMES: Final = Features.__struct_fields__


class Reading(msgspec.Struct, frozen=True):
    """Features of a request.

    Attributes:
        is_read: whether the last turn is a text that the words are made for; otherwise (images,
            sounds, files, other scripts, nothing at all) the features say little.
    """

    features: Features
    is_read: bool


class _Turns(msgspec.Struct):
    """What is found on the way back from the newest message."""

    last: str = ""
    users: int = 0
    tool_errors: int = 0
    is_other: bool = False
    has_last: bool = False


def read_features(document: Mapping[str, Any], body_bytes: int) -> Reading:
    """Read a chat or messages request of either dialect.

    Args:
        document: the request, decoded; what it holds may be of any type.
        body_bytes: its size in bytes.
    """
    turns = _read_turns(document.get("messages"))
    text = turns.last
    hard, easy = counted(text)
    code, steps = _read_lines(text)
    tools = document.get("tools") or document.get("functions")
    features = Features(
        length=_scaled(len(text) if len(text) < TEXT_CHARS_MAX else body_bytes, 64, 10),
        context=_scaled(body_bytes, 1024, 10),
        hard_words=min(hard, 4) / 4,
        easy_words=min(easy, 2) / 2,
        questions=min(text.count("?"), 4) / 4,
        code=code,
        math=float(_has_formula(text)),
        steps=steps,
        tools=_scaled(len(tools), 1, 6) if isinstance(tools, Sequence) else 0.0,
        tool_errors=min(turns.tool_errors, 3) / 3,
        depth=_scaled(max(turns.users - 1, 0), 1, 6),
        schema=float(_keeps_to_schema(document)),
        effort=float(_asks_for_effort(document)),
    )
    return Reading(features, bool(text.strip()) and not turns.is_other and _is_plain(text))


def _read_turns(messages: object) -> _Turns:
    turns = _Turns()
    if not isinstance(messages, list):
        return turns
    for message in islice(reversed(messages), MESSAGES_MAX):
        if isinstance(message, dict):
            _read_message(message, turns)
    return turns


def _read_message(message: Mapping[str, Any], turns: _Turns) -> None:
    role, content = message.get("role"), message.get("content")
    if role in ("tool", "function"):
        turns.tool_errors += _tells_error(content)
        return
    if role != "user":
        return
    texts = []
    for part in _parts(content):
        kind = part.get("type")
        if kind == "tool_result":
            turns.tool_errors += part.get("is_error") is True or _tells_error(part.get("content"))
        elif isinstance(kind, str) and kind in _NOT_TEXT:
            turns.is_other |= not turns.has_last
        elif isinstance(text := part.get("text"), str):
            texts.append(_cut(text))
    if texts:
        turns.users += 1
        if not turns.has_last:
            turns.last, turns.has_last = _cut("\n".join(texts)), True


def _parts(content: object) -> list[Mapping[str, Any]]:
    """The parts of a message; the last ones where there are very many."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        return []
    return [part for part in content[-PARTS_MAX:] if isinstance(part, dict)]


def _tells_error(content: object) -> bool:
    for part in _parts(content)[:2]:
        text = part.get("text")
        if isinstance(text, str):
            head = text[:_ERROR_CHARS].lower()
            if "error" in head:
                head = _NO_ERROR.sub("", head)
            if any(word in head for word in _ERRORS) or ("exit " in head and _EXIT.search(head)):
                return True
    return False


def _cut(text: str) -> str:
    """A text's beginning and end, where the demand usually stands."""
    half = TEXT_CHARS_MAX // 2
    return text if len(text) <= TEXT_CHARS_MAX else text[:half] + text[-half:]


def _read_lines(text: str) -> tuple[float, float]:
    """How much of a text is lines of code, and how much items of lists."""
    code = steps = 0
    for line in text.split("\n", _LINES_MAX)[:_LINES_MAX]:
        stripped = line.strip()
        code += stripped.startswith(_CODE_STARTS) or stripped.endswith(_CODE_ENDS)
        is_item = stripped.startswith(_STEP_STARTS)
        steps += is_item or (stripped[:1].isdigit() and _NUMBERED.match(stripped) is not None)
    is_fenced = "```" in text
    return (
        1.0 if is_fenced else min(code, _CODE_LINES_MAX) / _CODE_LINES_MAX,
        min(steps, _STEPS_MAX) / _STEPS_MAX,
    )


def _has_formula(text: str) -> bool:
    return any(sign in text for sign in _MATH_SIGNS) and _MATH.search(text) is not None


def _scaled(amount: int, unit: int, doublings: int) -> float:
    return min(log2(1 + amount / unit) / doublings, 1.0)


def _keeps_to_schema(document: Mapping[str, Any]) -> bool:
    wanted, choice = document.get("response_format"), document.get("tool_choice")
    if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
        return True
    return choice == "required" or (
        isinstance(choice, dict) and choice.get("type") in ("function", "tool", "any")
    )


def _asks_for_effort(document: Mapping[str, Any]) -> bool:
    thinking = document.get("thinking")
    return document.get("reasoning_effort") in ("high", "xhigh") or (
        isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")
    )


def _is_plain(text: str) -> bool:
    """Whether most letters are those of English."""
    if text.isascii():
        return True
    letters = [each for each in text[:_LETTERS_MAX] if each.isalpha()]
    return sum(each.isascii() for each in letters) * 2 > len(letters)

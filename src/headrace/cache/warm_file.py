"""A file of requests that are asked ahead of their callers: one JSON object a line.

A line is a request as a caller would send it, in OpenAI's dialect or in Anthropic's, or a plain
prompt. `dialect`, `tags` and `ttl_s` beside it are not sent. Pure but for the reading.
"""

import io
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

import msgspec

from headrace.cache.key import decode_document
from headrace.cache.scopes import checked_tags
from headrace.dialects.base import Operation
from headrace.dialects.fields import check_count, check_messages, read_model
from headrace.errors import HeadraceError, InvalidRequest
from headrace.limits import NUMBER_DIGITS_MAX, WARM_FILE_BYTES_MAX, WARM_FILE_LINES_MAX
from headrace.model import DialectName

PROBLEMS_TOLD_MAX: Final = 20
# Sent with plain prompts to providers that insist on it, as the library does.
MAX_TOKENS: Final = 4096

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_DIALECTS: Final[tuple[DialectName, DialectName]] = ("openai", "anthropic")
_FORMS: Final = ("prompt", "messages", "input")
_OURS: Final = frozenset(("dialect", "tags", "ttl_s"))
# A whole answer does for streams too, and tells its tokens.
_NOT_SENT: Final = _OURS | {"stream", "stream_options"}
_ANTHROPIC_ONLY: Final = frozenset(("stop_sequences", "system", "thinking", "top_k"))
_ANTHROPIC_FAMILY: Final = ("claude-", "anthropic/")


class WarmFileInvalid(HeadraceError):
    """A file of prompts that cannot be used; the message holds its problems, a line each."""

    default_code = "invalid_warm_file"


class Prompt(msgspec.Struct, frozen=True):
    """One line of the file.

    Attributes:
        line: its number, from 1.
        model: as the file names it.
        dialects: the grammars to try, in order: which it is depends on the model's provider.
        tags: names the answer can be purged by.
        ttl_s: how long to store the answer, in seconds; `None` is the configured time.
    """

    line: int
    model: str
    dialects: tuple[DialectName, ...]
    tags: tuple[str, ...]
    ttl_s: int | None
    _body: bytes
    _is_plain: bool
    _is_embedding: bool

    def operation(self, dialect: DialectName) -> Operation:
        """What is asked of a provider that speaks a dialect."""
        if self._is_embedding:
            return Operation.EMBEDDINGS
        return Operation.MESSAGES if dialect == "anthropic" else Operation.CHAT

    def body(self, dialect: DialectName) -> bytes:
        """The request in a dialect."""
        if self._is_plain and dialect == "anthropic":
            fields = msgspec.json.decode(self._body, type=dict[str, msgspec.Raw])
            fields["max_tokens"] = msgspec.Raw(b"%d" % MAX_TOKENS)
            return msgspec.json.encode(fields)
        return self._body


def read_prompts(stream: BinaryIO, name: str) -> tuple[Prompt, ...]:
    """The requests of a file; empty lines count for numbers only.

    Args:
        stream: what it holds.
        name: what problems call it.

    Raises:
        WarmFileInvalid: a line cannot be used, there are too many, or none.
        OSError: it cannot be read.
    """
    text = stream.read(WARM_FILE_BYTES_MAX + 1)
    if len(text) > WARM_FILE_BYTES_MAX:
        raise WarmFileInvalid(f"{name}: larger than {WARM_FILE_BYTES_MAX >> 20} MiB; split it")
    prompts: list[Prompt] = []
    problems: list[str] = []
    for number, line in _lines(text):
        if len(prompts) + len(problems) == WARM_FILE_LINES_MAX:
            raise WarmFileInvalid(f"{name}: more than {WARM_FILE_LINES_MAX} requests; split it")
        try:
            prompts.append(read_prompt(line, number))
        except InvalidRequest as error:
            problems.append(f"{name}:{number}: {error.message}")
    if problems:
        raise WarmFileInvalid(_told(problems))
    if not prompts:
        raise WarmFileInvalid(f"{name}: holds no requests")
    return tuple(prompts)


def read_prompt(line: bytes, number: int = 1) -> Prompt:
    """The request of one line.

    Raises:
        InvalidRequest: there is none, or it could not be sent.
    """
    document = decode_document(line)
    forms = [form for form in _FORMS if form in document]
    if len(forms) != 1:
        found = " and ".join(f"`{form}`" for form in forms) or "neither"
        raise InvalidRequest(
            "A line holds a whole request, with `messages` or `input`, or a plain `prompt`; "
            f"this one holds {found}."
        )
    form = forms[0]
    model = read_model(document)
    dialects = _dialects(document, form)
    if form == "prompt":
        body = _plain_body(document)
    else:
        if form == "messages":
            check_messages(document)
        body = _without(line, document, _NOT_SENT)
    return Prompt(
        number,
        model,
        dialects,
        _tags(document),
        _ttl_s(document),
        body,
        form == "prompt",
        form == "input",
    )


def _lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(io.BytesIO(text.removeprefix(_BYTE_ORDER_MARK)), start=1):
        stripped = line.strip()
        if stripped:
            yield number, stripped


def _plain_body(document: dict[str, Any]) -> bytes:
    prompt = document["prompt"]
    if type(prompt) is not str or not prompt:
        raise _bad("prompt", "a text that is not empty")
    further = sorted(document.keys() - _OURS - {"prompt", "model"})
    if further:
        raise InvalidRequest(
            f"`{further[0]}` cannot stand beside `prompt`: write the whole request, with "
            "`messages`, to set more than the model.",
            param=further[0],
        )
    message = {"role": "user", "content": prompt}
    return msgspec.json.encode({"model": document["model"], "messages": [message]})


def _without(line: bytes, document: dict[str, Any], names: frozenset[str]) -> bytes:
    """The same request without some fields; every other value keeps its very bytes."""
    if not names & document.keys():
        return line
    fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({name: fields[name] for name in fields if name not in names})


def _dialects(document: dict[str, Any], form: str) -> tuple[DialectName, ...]:
    named = document.get("dialect")
    if named is not None and named not in _DIALECTS:
        raise _bad("dialect", "`openai` or `anthropic`")
    if form == "input":
        if named == "anthropic":
            raise InvalidRequest("Anthropic's dialect has no `input`, and so no embeddings.")
        return ("openai",)
    if named is not None:
        return (named,)
    return _DIALECTS[::-1] if _seems_anthropic(document, form) else _DIALECTS


def _seems_anthropic(document: dict[str, Any], form: str) -> bool:
    if form == "messages" and "max_tokens" not in document:
        return False  # which it insists on
    is_family = document["model"].startswith(_ANTHROPIC_FAMILY)
    return is_family or not _ANTHROPIC_ONLY.isdisjoint(document)


def _tags(document: dict[str, Any]) -> tuple[str, ...]:
    tags = document.get("tags")
    if tags is None:
        return ()
    if type(tags) is not list or not all(type(tag) is str for tag in tags):
        raise _bad("tags", "an array of names")
    return checked_tags(tags, "tags")


def _ttl_s(document: dict[str, Any]) -> int | None:
    if document.get("ttl_s") is None:
        return None
    ttl_s = check_count("ttl_s", document["ttl_s"])
    if ttl_s >= 10**NUMBER_DIGITS_MAX:
        raise _bad("ttl_s", f"a number of up to {NUMBER_DIGITS_MAX} digits")
    return ttl_s


def _bad(param: str, wanted: str) -> InvalidRequest:
    return InvalidRequest(f"`{param}` has to be {wanted}.", param=param)


def _told(problems: Sequence[str]) -> str:
    told = list(problems[:PROBLEMS_TOLD_MAX])
    if len(problems) > PROBLEMS_TOLD_MAX:
        told.append(f"and {len(problems) - PROBLEMS_TOLD_MAX} more lines")
    return "\n".join(told)

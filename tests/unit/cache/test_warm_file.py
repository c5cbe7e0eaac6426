"""Files of prompts: what a line may hold, and how mistakes are told."""

import io
import json

import pytest

from headrace.cache import warm_file
from headrace.cache.warm_file import PROBLEMS_TOLD_MAX, WarmFileInvalid, read_prompt, read_prompts
from headrace.dialects.base import Operation
from headrace.errors import InvalidRequest

MESSAGES = [{"role": "user", "content": "hi"}]


def line(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def refusal(text: str) -> str:
    with pytest.raises(WarmFileInvalid) as caught:
        read_prompts(io.BytesIO(text.encode()), "p.jsonl")
    return caught.value.message


def test_a_plain_prompt_is_a_message_of_the_user_in_either_dialect():
    prompt = read_prompt(line(prompt="hi", model="m", tags=["b", "a"], ttl_s=60))
    assert (prompt.model, prompt.tags, prompt.ttl_s) == ("m", ("a", "b"), 60)
    assert prompt.dialects == ("openai", "anthropic")
    assert json.loads(prompt.body("openai")) == {"model": "m", "messages": MESSAGES}
    assert prompt.operation("openai") is Operation.CHAT
    whole = {"model": "m", "messages": MESSAGES, "max_tokens": 4096}
    assert json.loads(prompt.body("anthropic")) == whole
    assert prompt.operation("anthropic") is Operation.MESSAGES


def test_a_whole_request_keeps_its_bytes():
    raw = b'{"messages": [{"role":"user","content":"\\u0041"}],  "model":"m","seed":1.0}'
    assert read_prompt(raw).body("openai") == raw


def test_what_is_ours_and_what_makes_streams_is_not_sent():
    raw = (
        b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"tags":["t"],'
        b'"ttl_s":5,"dialect":"openai","messages":[{"role":"user","content":"a"}],"seed":1.0}'
    )
    prompt = read_prompt(raw)
    wanted = b'{"model":"m","messages":[{"role":"user","content":"a"}],"seed":1.0}'
    assert (prompt.body("openai"), prompt.tags, prompt.ttl_s) == (wanted, ("t",), 5)


def test_embeddings_are_asked_in_the_one_dialect_that_has_them():
    prompt = read_prompt(line(model="e", input=["a", "b"]))
    assert prompt.dialects == ("openai",)
    assert prompt.operation("openai") is Operation.EMBEDDINGS


@pytest.mark.parametrize(
    ("fields", "first"),
    [
        ({"model": "gpt-4o"}, "openai"),
        ({"model": "claude-haiku-4-5"}, "openai"),  # without max_tokens it can be no other
        ({"model": "claude-haiku-4-5", "max_tokens": 5}, "anthropic"),
        ({"model": "anthropic/x", "max_tokens": 5}, "anthropic"),
        ({"model": "m", "max_tokens": 5}, "openai"),
        ({"model": "m", "max_tokens": 5, "system": "be brief"}, "anthropic"),
    ],
)
def test_the_likelier_dialect_is_tried_first(fields: dict[str, object], first: str):
    dialects = read_prompt(line(messages=MESSAGES, **fields)).dialects
    assert (dialects[0], len(dialects)) == (first, 2)


def test_a_dialect_that_is_named_is_the_only_one():
    assert read_prompt(line(prompt="a", model="m", dialect="anthropic")).dialects == ("anthropic",)


def test_a_plain_prompt_for_claude_is_anthropics():
    assert read_prompt(line(prompt="a", model="claude-x")).dialects[0] == "anthropic"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "m"}, "neither"),
        ({"model": "m", "prompt": "a", "messages": MESSAGES}, "`prompt` and `messages`"),
        ({"model": "m", "prompt": ""}, "`prompt` has to be a text that is not empty"),
        ({"model": "m", "prompt": ["a"]}, "`prompt` has to be a text that is not empty"),
        ({"model": "m", "prompt": "a", "temperature": 0}, "`temperature` cannot stand beside"),
        ({"prompt": "a"}, "`model` is missing"),
        ({"model": 5, "prompt": "a"}, "`model` is an integer"),
        ({"model": "m", "messages": []}, "`messages` is empty"),
        ({"model": "m", "messages": [{}]}, "`messages[0].role` is missing"),
        ({"model": "m", "prompt": "a", "dialect": "latin"}, "`dialect` has to be"),
        ({"model": "m", "input": "a", "dialect": "anthropic"}, "no embeddings"),
        ({"model": "m", "prompt": "a", "tags": "docs"}, "`tags` has to be an array"),
        ({"model": "m", "prompt": "a", "tags": ["no spaces"]}, "tags takes up to 16 names"),
        ({"model": "m", "prompt": "a", "ttl_s": 0}, "`ttl_s` is 0"),
        ({"model": "m", "prompt": "a", "ttl_s": "60"}, "`ttl_s` is a string"),
        ({"model": "m", "prompt": "a", "ttl_s": 10**12}, "up to 12 digits"),
    ],
)
def test_what_cannot_be_sent_is_told(fields: dict[str, object], words: str):
    with pytest.raises(InvalidRequest) as caught:
        read_prompt(line(**fields))
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"[1]", "Expected `object`"),
        (b"{", "cannot be read"),
        (b'{"prompt": "\xff", "model": "m"}', "not UTF-8"),
        (b'{"prompt": "a", "prompt": "b", "model": "m"}', "written twice"),
    ],
)
def test_what_is_no_object_is_told(raw: bytes, words: str):
    with pytest.raises(InvalidRequest) as caught:
        read_prompt(raw)
    assert words in caught.value.message


def test_empty_lines_count_for_numbers_only():
    text = '\ufeff{"prompt": "a", "model": "m"}\r\n\n  \n{"prompt": "b", "model": "m"}'
    prompts = read_prompts(io.BytesIO(text.encode()), "p.jsonl")
    assert [prompt.line for prompt in prompts] == [1, 4]


def test_every_problem_is_told_with_its_line():
    told = refusal('{"prompt": "a", "model": "m"}\n{}\n{"prompt": 5, "model": "m"}\n').splitlines()
    assert [each.partition(": ")[0] for each in told] == ["p.jsonl:2", "p.jsonl:3"]


def test_not_more_problems_are_told_than_anybody_reads():
    told = refusal("{}\n" * (PROBLEMS_TOLD_MAX + 7)).splitlines()
    assert len(told) == PROBLEMS_TOLD_MAX + 1
    assert told[-1] == "and 7 more lines"


def test_a_file_without_requests_is_refused():
    assert refusal("\n \n") == "p.jsonl: holds no requests"


def test_a_file_above_the_bounds_is_refused(monkeypatch: pytest.MonkeyPatch):
    text = '{"prompt": "a", "model": "m"}\n' * 3
    monkeypatch.setattr(warm_file, "WARM_FILE_LINES_MAX", 2)
    assert refusal(text) == "p.jsonl: more than 2 requests; split it"
    monkeypatch.setattr(warm_file, "WARM_FILE_BYTES_MAX", len(text) - 1)
    assert "larger than" in refusal(text)

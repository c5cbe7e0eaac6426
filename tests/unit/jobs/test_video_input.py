"""What a job `video` takes."""

from typing import Any

import pytest

from headrace.errors import InvalidRequest
from headrace.jobs.built_in import built_in_kinds

KIND = built_in_kinds().find("video")
CONTENT = {"title": "T", "scenes": [{"text": "One."}], "model": "m", "usage": [{}], "video": None}


@pytest.mark.parametrize(
    "document",
    [
        {"script": "One."},
        {"script": ["One.", "Two."], "title": "T", "use_simple_bg": True},
        {"content": CONTENT},
        {"content": CONTENT, "title": "Another", "speech": "en-us", "duration_s": 3},
    ],
)
def test_a_script_or_a_content_is_taken(document: dict[str, Any]) -> None:
    assert KIND.read(document)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "takes `script`, or `content`"),
        ({"script": "x", "content": CONTENT}, "either `script` or `content`"),
        ({"script": " "}, "the script is empty"),
        ({"script": []}, "input.script"),
        ({"script": "x", "title": "t" * 301}, "the title has 301 letters"),
        ({"script": "x" * 100_001}, "longer than 100,000"),
        ({"script": "x", "width": 1281}, "even number"),
        ({"script": "x", "duration_s": 9999}, "duration_s is 9999"),
        ({"script": "x", "preset": "warp"}, "preset is 'warp'"),
        ({"script": "x", "speech": "../../etc"}, "input.speech"),
        ({"script": "x", "output": "/etc/passwd"}, "unknown field `output`"),
        ({"content": {"title": "x"}}, "`content` is not what a job 'content' gives"),
        ({"content": {"title": "x", "scenes": [{"text": ""}]}}, "length >= 1"),
    ],
)
def test_what_is_wrong_is_told_when_it_is_submitted(document: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        KIND.read(document)

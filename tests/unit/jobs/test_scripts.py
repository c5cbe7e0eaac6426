"""What is taken for a script, and what a model is told that wrote none."""

import msgspec
import pytest

from headrace.jobs.scripts import BadScript, read_script, repair_messages, response_format

GOOD = '{"title": "The mill", "scenes": [{"text": "Water comes."}, {"text": "It turns."}]}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```",
        f"Here is your script:\n\n{GOOD}\n\nHave fun!",
        GOOD.replace('"title"', '"note": 7, "title"'),
    ],
)
def test_a_script_is_found_in_what_a_model_wrote(text: str) -> None:
    script = read_script(text)
    assert script.title == "The mill"
    assert script.texts == ("Water comes.", "It turns.")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "truncated"),
        ("I cannot do that.", "malformed"),
        ('{"title": "x"}', "missing required field `scenes`"),
        ('{"title": "x", "scenes": []}', "length >= 1"),
        ('{"title": "x", "scenes": [{"text": 7}]}', r"Expected `str`.*\$\.scenes\[0\]\.text"),
        ('{"title": "", "scenes": [{"text": "x"}]}', r"length >= 1.*\$\.title"),
        ('{"title": " ", "scenes": [{"text": "x"}]}', "title is blank"),
        ('{"title": "x", "scenes": [{"text": "x"}, {"text": " \\n"}]}', "scene 2 is blank"),
        ('{"title": "x", "scenes": ["x"]}', "Expected `object`"),
        (GOOD[:-3], "truncated|malformed"),
        ("[" * 100_000, "."),
        ("\ud800", "."),
        ('{"title": "x", "scenes": [' + '{"text": "x"},' * 101 + '{"text": "x"}]}', "<= 100"),
    ],
)
def test_what_is_no_script_is_told_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(BadScript, match=complaint):
        read_script(text)


def test_a_model_is_told_what_was_wrong() -> None:
    asked = repair_messages([{"role": "user", "content": "q"}], "no", "it is no JSON")
    assert [message["role"] for message in asked] == ["user", "assistant", "user"]
    assert asked[1]["content"] == "no"
    assert "it is no JSON" in asked[2]["content"]


def test_the_schema_is_one_that_providers_keep_strictly() -> None:
    described = response_format()["json_schema"]
    assert described["strict"] is True
    waiting = [described["schema"]]
    while waiting:
        schema = waiting.pop()
        if schema["type"] == "object":
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])
            waiting.extend(schema["properties"].values())
        elif schema["type"] == "array":
            waiting.append(schema["items"])
    assert msgspec.json.encode(described)

from pathlib import Path
from typing import Any

import pytest
from tests.support.templates import front, registry_of

from headrace import InvalidRequest, SettingsInvalid

ALL = (
    front(
        "text: string, what it is about\n"
        "count?: integer\n"
        "share?: number\n"
        "is_open?: boolean\n"
        "tags?(array, what it is called): string\n"
        "kind?(enum, which): [bug, wish]\n"
        "author?(object): {name: string, age?: integer}\n"
        "more?: any\n"
    )
    + "{{ text }}{{ count }}{{ share }}{{ tags|join(',') }}{{ kind }}{{ author.name if author }}"
)


def refused(registry: Any, **given: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        registry.render("all", variables=given)
    assert caught.value.code == "invalid_variables"
    return caught.value


def test_what_is_left_out_is_empty(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, all=ALL)
    assert registry.render("all", text="a").text == "a"
    assert registry.render("all", text="a", count=None, author=None).text == "a"
    given = {"text": "a", "count": 1, "share": 0.5, "tags": ["x", "y"], "kind": "bug"}
    assert (
        registry.render("all", variables={**given, "author": {"name": "A"}}).text == "a10.5x,ybugA"
    )


@pytest.mark.parametrize(
    ("given", "param", "told"),
    [
        ({}, "variables.text", "`text` is missing: expected a text"),
        ({"text": None}, "variables.text", "found null"),
        ({"text": 1}, "variables.text", "expected a text, found 1"),
        ({"text": b"a"}, "variables.text", "a bytes, which is not plain data"),
        ({"text": "a", "count": "1"}, "variables.count", "expected a whole number, found the text"),
        ({"text": "a", "count": 1.5}, "variables.count", "found 1.5"),
        ({"text": "a", "count": True}, "variables.count", "found true"),
        ({"text": "a", "is_open": 1}, "variables.is_open", "expected true or false"),
        ({"text": "a", "tags": "x"}, "variables.tags", "expected a list, each a text"),
        ({"text": "a", "tags": ["x", 2]}, "variables.tags[1]", "found 2"),
        ({"text": "a", "kind": "bugg"}, "variables.kind", "one of 'bug', 'wish'"),
        ({"text": "a", "author": {}}, "variables.author.name", "is missing"),
        ({"text": "a", "author": {"nam": "x"}}, "variables.author.nam", "did you mean name?"),
        ({"text": "a", "txet": "x"}, "variables.txet", "did you mean text?"),
        ({"text": "a", "more": object()}, "variables.more", "not plain data"),
        ({"text": "a", "more": [{"a": {1}}]}, "variables.more[0].a", "not plain data"),
        ({"text": "a", "more": {1: 2}}, "variables.more.1", "none of its fields"),
        ({"text": "\ud800"}, "variables.text", "lone surrogate, at 0"),
        ({"text": "a", "more": {"k": ["é\udfff"]}}, "variables.more.k[0]", "lone surrogate"),
        ({"text": "a", "more": {"\udc00": 1}}, "variables.more", "lone surrogate"),
    ],
)
def test_what_is_wrong_is_told(
    tmp_path: Path, given: dict[str, Any], param: str, told: str
) -> None:
    error = refused(registry_of(tmp_path, all=ALL), **given)
    assert error.param == param
    assert told in error.message


def test_a_name_that_is_half_a_character_can_be_told(tmp_path: Path) -> None:
    error = refused(registry_of(tmp_path, all=ALL), text="a", **{"\ud800": 1})
    assert "\\ud800" in error.message
    assert error.message.encode()
    assert str(error.param).encode()


def test_a_subclass_is_not_plain_data(tmp_path: Path) -> None:
    class Loud(str):
        def __str__(self) -> str:
            raise AssertionError("asked for its text")

    assert "not plain data" in refused(registry_of(tmp_path, all=ALL), text=Loud("a")).message


def test_everything_wrong_is_told_at_once_within_bounds(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, all=ALL)
    error = refused(registry, count="x", **{f"v{at}": at for at in range(50)})
    assert "`text` is missing" in error.message
    assert "`count`" in error.message
    assert "and 42 more" in error.message


def test_a_long_value_is_cut_in_the_message(tmp_path: Path) -> None:
    error = refused(registry_of(tmp_path, all=ALL), text="a", count="x" * 100_000)
    assert len(error.message) < 400


def test_values_that_are_too_deep_are_refused(tmp_path: Path) -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    assert "too deep" in refused(registry_of(tmp_path, all=ALL), text="a", more=deep).message
    itself: list[Any] = []
    itself.append(itself)
    assert "too deep" in refused(registry_of(tmp_path, all=ALL), text="a", more=itself).message


def test_defaults_stand_in(tmp_path: Path) -> None:
    text = (
        "---\ninput:\n  schema:\n    tone: string\n    n: integer\n"
        "  default: {tone: kind, n: 3}\n---\n{{ tone }} {{ n }}"
    )
    registry = registry_of(tmp_path, a=text)
    assert registry.render("a").text == "kind 3"
    assert registry.render("a", tone="stern").text == "stern 3"
    assert registry.render("a", tone=None).text == "kind 3"


def test_without_a_schema_everything_used_is_wanted(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, a="{{ one }}{% if two %}{{ two[0] }}{% endif %}")
    assert registry.render("a", one="1", two=["2"]).text == "12"
    with pytest.raises(InvalidRequest, match="`two` is missing"):
        registry.render("a", one="1")
    with pytest.raises(InvalidRequest, match="`three` is none"):
        registry.render("a", one="1", two=[], three=3)


def test_json_schema_does_as_well(tmp_path: Path) -> None:
    text = (
        "---\ninput:\n  schema:\n    type: object\n    required: [q]\n    properties:\n"
        "      q: {type: string, description: what}\n      k: {type: integer}\n"
        "      mode: {enum: [fast, slow]}\n---\n{{ q }}{{ k }}{{ mode }}"
    )
    registry = registry_of(tmp_path, a=text)
    assert registry.render("a", q="x", mode="fast").text == "xfast"
    with pytest.raises(InvalidRequest, match="`z` is none"):
        registry.render("a", q="x", z=1)


def test_an_open_schema_takes_more(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, a=front("q: string\n(*): integer") + "{{ q }}{{ n }}")
    assert registry.render("a", q="x", n=2).text == "x2"
    with pytest.raises(InvalidRequest, match="`n` expected a whole number"):
        registry.render("a", q="x", n="2")


@pytest.mark.parametrize(
    ("matter", "told"),
    [
        ("input: {schema: {a: strin}}", "did you mean string?"),
        ("input: {schema: [a]}", "expected a mapping"),
        ("input: {schema: {a(list): string}}", "(list)"),
        ("input: {schema: {a(enum): []}}", "expected a list of what it may be"),
        ("input: {schema: {role: string}}", "has a meaning in bodies"),
        ("input: {schema: {a-b: string}}", "cannot be the name of a variable"),
        ("input: {schema: {a: string}, default: {b: 1}}", "no such variable"),
        ("input: {schema: {a: string}, default: {a: 1}}", "expected a text, found 1"),
        ("input: {shema: {}}", "did you mean schema?"),
        ("input: {schema: {type: object, properties: {a: {type: string, pattern: x}}}}", "pattern"),
        ("input: {schema: {type: object, properties: {}, required: [a]}}", "no property"),
        ("config: {temprature: 1}", "did you mean temperature?"),
        ("config: {temperature: hot}", "expected a number"),
        ("config: {topP: 1, top_p: 1}", "set twice"),
        ("config: 3", "expected a mapping"),
        ("model: [a]", "expected a text"),
        ("modle: a", "did you mean model?"),
        ("version: 3", "the number is the file's name"),
        ("tools: [a]", "given by the caller"),
        ("output: {format: xml}", "json or text"),
        ("a: 1\n b: 2", "bad.prompt:3"),
        ("a: [1, 2", "bad.prompt"),
        ("model: &a x\ndescription: *a", "aliases"),
        ("model: a\nmodel: b", "written twice"),
        ("model: !!python/object/apply:os.system ['true']", "plain data"),
        ("- a", "expected a mapping"),
        ("a: 'x", "bad.prompt"),
        ("metadata: " + "[" * 500 + "]" * 500, "deep"),
    ],
)
def test_front_matter_that_cannot_be_used(tmp_path: Path, matter: str, told: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        registry_of(tmp_path, bad=f"---\n{matter}\n---\nbody {{{{ a }}}}")
    assert told in caught.value.message


def test_front_matter_without_an_end(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"bad\.prompt:1: the front matter has no end"):
        registry_of(tmp_path, bad="---\nmodel: a\nbody")


def test_a_variable_that_is_not_declared(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"a\.prompt:6: uses nmae.*did you mean name\?"):
        registry_of(tmp_path, a=front("name: string") + "{{ nmae }}")


def test_config_by_either_name(tmp_path: Path) -> None:
    head = "---\nmodel: m\nconfig:\n  topP: 0.5\n  maxOutputTokens: 9\n  stop: END\n"
    rendered = registry_of(tmp_path, a=head + "output: {format: json}\n---\nx").render("a")
    assert rendered.model == "m"
    assert rendered.config == {
        "top_p": 0.5,
        "max_tokens": 9,
        "stop": ["END"],
        "response_format": {"type": "json_object"},
    }


def test_an_output_schema_is_written_out(tmp_path: Path) -> None:
    head = "---\noutput:\n  schema:\n    name: string, of whom\n    tags?(array): string\n---\nx"
    wish = registry_of(tmp_path, a=head).render("a").config["response_format"]
    assert wish["type"] == "json_schema"
    assert wish["json_schema"]["schema"] == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "of whom"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["name"],
        "additionalProperties": False,
    }

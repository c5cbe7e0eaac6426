from pathlib import Path

import pytest
from tests.support.templates import front, registry_of, write_prompts

from headrace import SettingsInvalid


def test_a_partial_by_either_spelling(tmp_path: Path) -> None:
    registry = registry_of(
        tmp_path,
        a="{% include 'parts/tone' %}|{{>parts/_tone}}|{% include \"parts/tone\" %}",
        parts___tone="{{ word }}",
    )
    assert registry.render("a", word="kind").text == "kind|kind|kind"


def test_an_include_keeps_its_line(tmp_path: Path) -> None:
    body = "one\n{{>part}}\nthree\n"
    assert registry_of(tmp_path, a=body, _part="two\n").render("a").text == "one\ntwo\nthree"


def test_a_numbered_include(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, a='{% include "tone@1" %}', _tone__1="one", _tone__2="two")
    assert registry.render("a").text == "one"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{% include '../secret' %}", "names no file"),
        ("{% include '/etc/passwd' %}", "names no file"),
        ("{% include 'part/../part' %}", "names no file"),
        ("{% include 'prat' %}", "did you mean _part?"),
        ("{% include 'many' %}", "say which: many@2"),
        ("{% include 'many@7' %}", "no number 7"),
        ("{% include 'many@production' %}", "names no file"),
        ("{% include x %}", "in quotes"),
        ("{% include ['part', 'many'] %}", "in quotes"),
        ("{% include 'part' ignore missing %}", "in quotes"),
        ("{{>broken}}", "cannot be used itself"),
    ],
)
def test_what_cannot_be_included(tmp_path: Path, body: str, told: str) -> None:
    files = {"_part": "p", "many__1": "1", "many__2": "2"}
    if "broken" in body:
        files["_broken"] = "{{ x"
    with pytest.raises(SettingsInvalid) as caught:
        registry_of(tmp_path, a=body, **files)
    assert told in caught.value.message


def test_a_cycle_is_told_with_its_way(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        registry_of(tmp_path, a="{{>b}}", _b="{% if x %}{{>c}}{% endif %}", _c="{{>b}}")
    assert "_b.prompt -> _c.prompt -> _b.prompt" in caught.value.message


def test_a_template_that_includes_itself(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"a\.prompt -> a\.prompt"):
        registry_of(tmp_path, a="{% include 'a' %}")


def test_includes_that_multiply_are_bounded(tmp_path: Path) -> None:
    files = {f"_p{at}": f"{{{{>p{at + 1}}}}}{{{{>p{at + 1}}}}}" for at in range(20)}
    with pytest.raises(SettingsInvalid, match="above 64 includes"):
        registry_of(tmp_path, a="{{>p0}}", _p20="x", **files)


def test_loops_count_across_files(tmp_path: Path) -> None:
    loop = "{{% for a in x %}}{{{{>{}}}}}{{% endfor %}}"
    files = {f"_p{at}": loop.format(f"p{at + 1}") for at in range(5)}
    with pytest.raises(SettingsInvalid, match="loops within"):
        registry_of(tmp_path, a="{{>p0}}", _p5="x", **files)


def test_a_partial_uses_what_its_includer_declares(tmp_path: Path) -> None:
    head = front("name: string")
    assert (
        registry_of(tmp_path, a=head + "{{>p}}", _p="{{ name }}").render("a", name="n").text == "n"
    )
    write_prompts(tmp_path, {"_p.prompt": "{{ nmae }}"})
    with pytest.raises(SettingsInvalid, match=r"_p\.prompt:1: uses nmae.*did you mean name\?"):
        registry_of(tmp_path)


def test_a_partial_sees_what_its_includer_sets(tmp_path: Path) -> None:
    body = front("names(array): string") + "{% for name in names %}{{>p}}{% endfor %}"
    registry = registry_of(tmp_path, a=body, _p="<{{ name }}>")
    assert registry.render("a", names=["x", "y"]).text == "<x><y>"

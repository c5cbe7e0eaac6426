"""Templates that must not do what they try: nothing of it hangs, reads or grows without bound."""

from pathlib import Path

import pytest
from tests.support.templates import front, registry_of

from headrace import InvalidRequest, SettingsInvalid
from headrace.prompt.templates.bounds import OUTPUT_CHARS_MAX


@pytest.mark.parametrize(
    "body",
    [
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999999999) %}{% endfor %}",
        "{% for a in items %}{% for b in items %}{{ b }}{% endfor %}{% endfor %}",
    ],
)
def test_a_loop_ends(tmp_path: Path, body: str) -> None:
    registry = registry_of(tmp_path, endless=body + "{{ items|length }}")
    with pytest.raises(InvalidRequest) as caught:
        registry.render("endless", items=list(range(2000)))
    assert caught.value.code == "template_failed"
    assert "endless" in caught.value.message


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{{ x.__class__ }}", "__class__"),
        ("{{ x['__class__'] }}", "__class__"),
        ("{{ x|attr('pop') }}", "attr"),
        ("{{ x.pop() }}", "method"),
        ("{{ x.items() }}", "method"),
        ("{{ x.items }}", "items"),
        ("{{ x['update'] }}", "update"),
        ("{{ x.a.append(1) }}", "append"),
        ("{{ x['pop']('a') }}", "pop"),
        ("{{ x|map(attribute='pop')|list }}", "pop"),
        ("{{ x|map('attr', 'pop')|list }}", "attr"),
        ("{{ x|selectattr('a.clear')|list }}", "clear"),
        ("{{ x|groupby(y) }}", "written out"),
        ("{{ (x)('a') }}", "not let through"),
        ("{{ debug() }}", "debug"),
        ("{{ namespace(a=1) }}", "namespace"),
        ("{{ self.x() }}", "self"),
        ("{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}", "macro"),
        ("{% for a in x recursive %}{{ loop(a) }}{% endfor %}", "recursive"),
        ("{% for a in x %}{{ loop(a) }}{% endfor %}", "loop()"),
        ("{% extends 'other' %}", "extends"),
        ("{% import 'other' as o %}", "import"),
        ("{% set ns.a = 1 %}", "field"),
        ("{% set a %}{{ x }}{% endset %}", "set"),
        ("{% filter upper %}a{% endfilter %}", "filter"),
        ("{{ x|pprint }}", "pprint"),
        ("{% if x is nonsense %}{% endif %}", "nonsense"),
        ("{% set a = x ~ x %}{% set b = a ~ a %}{{ b }}", "put together"),
        ("{% set a = [x, x] %}{% for b in [a, a] %}{{ b }}{% endfor %}", "put together"),
        ("{{ 'x' * 1000000000 }}", "at most 1000"),
        ("{{ 'x' * n }}", "at most 1000"),
        ("{{ 'x' * 100 * 100 }}", "repeated once"),
        ("{{ 'xxxxxxxxxxxxxxxxxxxx' * 1000 }}", "at most 10000"),
        ("{{ 100 * x }}", "x * 100"),
        ("{{ x * 100|tojson }}", "brackets"),
        ("{{ x.0 * 3 }}", "x[0]"),
        ("{{ 2 ** 99 }}", "**"),
        ("{{ a" + " + a" * 250 + " }}", "words and signs in one tag"),
        ("{% if a %}" + "{% elif a %}" * 201 + "{% endif %}", "elif"),
        (("{% if a %}" + "{% elif a %}" * 15) * 14 + "{% endif %}" * 14, "elif"),
        ("{% for a in x %}" * 5 + "{% endfor %}" * 5, "loops within"),
        ("{% for a in x %}" + "word " * 1000 + "{% endfor %}", "within loops"),
        ("{% if x %}", "end of block"),
        ("{{ x", "no end"),
        ("{% raw %}{{ x }}", "endraw"),
        ("{# never ends", "no end"),
        ("{{#if x}}a{{/if}}", "Jinja"),
        ("{{else}}", "Jinja"),
        ("{{media url=x}}", "media"),
        ('{{role "wizard"}}', "wizard"),
        ("{{ x + role('user') }}", "role"),
        ("{{ x ? 1 : 2 }}", "?"),
        ("{{ x|upperr }}", "did you mean upper?"),
        ("   \n ", "empty"),
    ],
)
def test_what_is_not_let_through_is_refused_when_it_is_read(
    tmp_path: Path, body: str, told: str
) -> None:
    with pytest.raises(SettingsInvalid, match=r"bad\.prompt:\d+: ") as caught:
        registry_of(tmp_path, bad=body)
    assert told in caught.value.message


def test_variables_are_never_changed(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, plain="{% for a in x.list %}{{ a }}{% endfor %}{{ x|length }}")
    given = {"list": [1, 2], "more": {"a": None}}
    assert registry.render("plain", x=given).text == "122"
    assert given == {"list": [1, 2], "more": {"a": None}}


@pytest.mark.parametrize(
    "body",
    [
        "{% for a in range(9000) %}{{ x }}{% endfor %}",
        "{{ x|replace('a', x) }}{{ y }}",
        "{{ range(1000)|join(x) }}{{ y }}",
        "{{ x }}" * 1000,
    ],
)
def test_what_comes_out_is_bounded(tmp_path: Path, body: str) -> None:
    registry = registry_of(tmp_path, long=body)
    given = {name: "a" * 70_000 for name in ("x", "y") if name in body}
    with pytest.raises(InvalidRequest, match=str(OUTPUT_CHARS_MAX)):
        registry.render("long", variables=given)


@pytest.mark.parametrize("body", ["{{ x }}" * 30_000, "{% include 'many' %}" * 10])
def test_short_values_that_are_written_often_are_counted(tmp_path: Path, body: str) -> None:
    typed = front("x: string")
    registry = registry_of(tmp_path, long=typed + body, many=typed + "{{ x }}" * 3_000)
    with pytest.raises(InvalidRequest, match=str(OUTPUT_CHARS_MAX)):
        registry.render("long", x="a" * 1000)


@pytest.mark.parametrize(
    "body",
    [
        "{{ x" + "|tojson" * 40 + " }}",
        "{% set a = x|tojson %}" + "{% set a = a|tojson %}" * 40 + "{{ a }}",
        "{{ x|replace('a', x)|length }}" * 1000,
    ],
)
def test_what_filters_make_on_the_way_is_bounded(tmp_path: Path, body: str) -> None:
    registry = registry_of(tmp_path, long=front("x: string") + body)
    with pytest.raises(InvalidRequest, match=f"makes above {OUTPUT_CHARS_MAX}"):
        registry.render("long", x='a"' * 500)


@pytest.mark.parametrize("factor", ["x * 1000 * 1000", "(x ~ x) * 1000", "[x][0] * 9", "y * 9"])
def test_texts_and_lists_are_not_multiplied(tmp_path: Path, factor: str) -> None:
    registry = registry_of(tmp_path, long="{{ " + factor + " }}{{ x }}{{ y|length }}")
    with pytest.raises(InvalidRequest, match="takes numbers"):
        registry.render("long", x="a", y=[1])


def test_numbers_are_multiplied_and_texts_that_are_written_out(tmp_path: Path) -> None:
    body = "{{- x * 100 * 2 }} {{ (x+1)*3 }} {{ '-' * 4 }} {{ y.a[0] * 2 + y.b * 3 }} {{ 7 * 7 -}}"
    registry = registry_of(tmp_path, sums=body)
    assert registry.render("sums", x=2, y={"a": [1], "b": 5}).text == "400 9 ---- 17 49"


def test_a_list_is_not_printed_as_python_prints_it(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, bad="{{ x }}", good="{{ x|tojson }} {{ x|join(', ') }}")
    with pytest.raises(InvalidRequest, match="tojson"):
        registry.render("bad", x=["é", "<b>"])
    assert registry.render("good", x=["é", "<b>"]).text == '["é", "<b>"] é, <b>'


def test_an_error_says_where(tmp_path: Path) -> None:
    body = front("docs(array): any") + "one\n\n{{ docs[0].title }}\n"
    with pytest.raises(InvalidRequest, match=r"undefined.*`\{\{ docs\[0\]\.title \}\}`"):
        registry_of(tmp_path, far=body).render("far", docs=[{}])


def test_a_filter_given_the_wrong_thing_is_told(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, wrong="{{ x|join(', ') }}{{ x|indent(2) }}")
    with pytest.raises(InvalidRequest) as caught:
        registry.render("wrong", x=3)
    assert caught.value.code == "template_failed"


def test_nothing_is_escaped_for_html(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, page="{{ x }} & {{ x|tojson }}")
    assert registry.render("page", x="<a href='#'>").text == "<a href='#'> & \"<a href='#'>\""


def test_a_rendering_without_a_word_is_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        registry_of(tmp_path, none="{% if x %}a{% endif %}").render("none", x=False)
    assert caught.value.code == "empty_prompt"

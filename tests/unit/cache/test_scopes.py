import pytest

from headrace.cache.scopes import NAME_CHARACTERS_MAX, checked_scope, checked_tags
from headrace.console.purge import read_scope
from headrace.errors import InvalidRequest
from headrace.limits import TAGS_MAX


def test_tags_come_once_and_in_order() -> None:
    assert checked_tags(["b", "a:1", "b"], "tags") == ("a:1", "b")
    assert checked_tags([], "tags") == ()
    assert len(checked_tags(map(str, range(TAGS_MAX)), "tags")) == TAGS_MAX


@pytest.mark.parametrize("names", [["é"], ["a,b"], [""], ["x" * 65], map(str, range(TAGS_MAX + 1))])
def test_what_is_no_tag_is_refused_by_its_name(names: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="x-headrace-tags") as refused:
        checked_tags(names, "x-headrace-tags")
    assert refused.value.param == "x-headrace-tags"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("key", "0f" * 8),
        ("tag", "news"),
        ("tenant", "x" * NAME_CHARACTERS_MAX),
        ("model", "openai/org/name"),
    ],
)
def test_a_scope_is_kind_and_value(kind: str, value: str) -> None:
    assert checked_scope(kind, value, "?") == read_scope([(kind, value)]) == f"{kind}:{value}"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("key", "0f" * 7),
        ("key", "0f" * 8 + "0"),  # half a byte more
        ("key", "0F" * 8),
        ("tag", ""),
        ("tenant", "x" * (NAME_CHARACTERS_MAX + 1)),
        ("model", "gpt"),
        ("model", "/gpt/"),
        ("colour", "red"),
        ("all", "no"),
    ],
)
def test_what_is_no_scope_is_refused(kind: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_scope([(kind, value)])
    assert (refused.value.code, refused.value.param) == ("bad_scope", kind)


def test_everything_is_said_in_full_and_alone() -> None:
    assert read_scope([("all", "true")]) == read_scope([("all", "1")]) == "all"
    for pairs in ([], [("all", "true"), ("tag", "a")]):
        with pytest.raises(InvalidRequest):
            read_scope(pairs)

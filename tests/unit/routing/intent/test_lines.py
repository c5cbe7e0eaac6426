"""Labelled lines, in both shapes, and what is wrong with some."""

import pytest

from headrace.errors import SettingsInvalid
from headrace.routing.intent.lines import check_trainable, read_lines
from headrace.routing.intent.training import Example, TrainRules
from headrace.routing.intent.trial import fit


def test_both_shapes_are_read() -> None:
    data = b'\xef\xbb\xbfship\twhere is it\r\n\n{"text": "pay\\tme", "intent": "pay", "more": 1}\n'
    labelled = read_lines(data)
    assert labelled.examples == (Example("where is it", "ship"), Example("pay\tme", "pay"))
    assert labelled.doubles == 0


def test_texts_are_counted_once() -> None:
    labelled = read_lines(b"a\tone  Two\na\tONE two\nb\tthree\n")
    assert [each.text for each in labelled.examples] == ["one  Two", "three"]
    assert labelled.doubles == 1


def test_what_is_thin_is_told() -> None:
    labelled = read_lines(b"a\tone\nb\ttwo\nb\tthree\n")
    assert labelled.remarks[0].startswith("a has 1 line: too few")
    assert labelled.remarks[1].startswith("b has 2 lines: too few")
    assert "no line is labelled unknown" in labelled.remarks[2]
    assert read_lines(b"").remarks == ()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"just a text\n", "line 1: expected the intent, a tab"),
        (b"a\tone\n{broken\n", "line 2: "),
        (b'{"text": "x"}\n', "line 1: .*intent"),
        (b'{"text": 5, "intent": "a"}\n', "line 1: .*str"),
        (b"a\tone\nb\tone\n", "line 2: the same text is a in line 1, b here"),
        (b"no name\tone\n", "line 1: an intent's name"),
        (b"a\t\xff\n", "line 1: "),
        (b"a\t?!\n", "line 1: a text without a letter"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(data: bytes, why: str) -> None:
    with pytest.raises(SettingsInvalid, match=why):
        read_lines(data)


def test_unknown_may_be_anything() -> None:
    assert read_lines(b"unknown\t???\n").examples == (Example("???", "unknown"),)


@pytest.mark.parametrize("lines", [{"a": 1, "b": 1}, {"a": 100, "b": 4, "unknown": 50}])
def test_few_lines_are_nothing_to_learn(lines: dict[str, int]) -> None:
    data = "".join(
        f"{name}\ttext {at}{name}\n" for name, number in lines.items() for at in range(number)
    )
    with pytest.raises(SettingsInvalid, match="at least 5 lines of each of at least two intents"):
        check_trainable(read_lines(data.encode()).examples)


def test_five_lines_of_two_intents_are_enough() -> None:
    data = "".join(f"{name}\ttext {at} of {name}\n" for name in "ab" for at in range(5))
    examples = read_lines(data.encode()).examples
    check_trainable(examples)
    assert fit(examples, TrainRules(seed=1)).weights.names == ("a", "b")


@pytest.mark.parametrize("data", [b"", b"a\tone\na\ttwo\n", b"unknown\tone\na\ttwo\n"])
def test_one_intent_is_nothing_to_learn(data: bytes) -> None:
    with pytest.raises(SettingsInvalid, match="expected lines of 2"):
        check_trainable(read_lines(data).examples)

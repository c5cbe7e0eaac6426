"""Words and patterns: whole words, the first rule, and nothing that takes for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import SettingsInvalid
from headrace.routing.intent.rules import Match, Rule, Rules

REFUND = Rule("refund", words=("refund", "money back"))
SHIP = Rule("ship", words=("parcel",), patterns=(r"order \d{3,8}", r"wo ist .{0,20}paket"))


def intent(rules: Rules, text: str) -> str | None:
    match = rules.find(text)
    return match.intent if match is not None else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I want my Refund", "refund"),
        ("give me my MONEY   back!", "refund"),
        ("money\nback", "refund"),
        ("(refund)", "refund"),
        ("refunds", None),
        ("prefund", None),
        ("honeymoney back", None),
        ("where is Order 4711", "ship"),
        ("order 12", None),
        ("Wo ist denn mein Paket", "ship"),
        ("", None),
        ("nothing of it", None),
        ("\ud800 refund \udfff", "refund"),
        ("refund für die Straße", "refund"),
    ],
)
def test_whole_words_and_patterns_are_found(text: str, expected: str | None) -> None:
    assert intent(Rules([REFUND, SHIP]), text) == expected


def test_the_first_rule_counts() -> None:
    text = "refund for order 4711, a parcel"
    assert Rules([REFUND, SHIP]).find(text) == Match("refund", "word: refund")
    assert Rules([SHIP, REFUND]).find(text) == Match("ship", "word: parcel")
    assert Rules([SHIP]).find("order 4711") == Match("ship", r"pattern: order \d{3,8}")
    assert Rules([]).find("refund") is None


def test_words_of_signs_are_found_too() -> None:
    rules = Rules([Rule("cpp", words=("c++",)), Rule("net", words=(".net",))])
    assert intent(rules, "in C++ please") == "cpp"
    assert intent(rules, "abc++") is None
    assert intent(rules, "asp.net") == "net"


@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(a|aa)+b$", r"(.*a){12}b", r"^(([a-z])+.)+[A-Z]([a-z])+$"]
)
def test_what_runs_away_elsewhere_does_not_here(pattern: str) -> None:
    # With backtracking each of these would take longer than the universe has been there.
    assert Rules([Rule("x", patterns=(pattern,))]).find("a" * 4000 + "!") is None


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (Rule("x", patterns=("(",)), "cannot be used: missing"),
        (Rule("x", patterns=(r"(?=a)",)), "cannot be used: invalid perl operator"),
        (Rule("x", patterns=(r"(a)\1",)), "cannot be used: invalid escape"),
        (Rule("x", patterns=("(x{900}){900}",)), "cannot be used"),
        (Rule("x", patterns=("a*",)), "fits every text"),
        (Rule("x", patterns=("a" * 1001,)), "longer than 1000"),
        (Rule("x", words=("?!",)), "no letter or digit"),
        (Rule("not a name", words=("a",)), "an intent's name"),
        (Rule("x", patterns=tuple(f"a{n}" for n in range(300))), "at most"),
    ],
)
def test_what_cannot_be_used_is_refused(rule: Rule, why: str) -> None:
    with pytest.raises(SettingsInvalid, match=why):
        Rules([rule])


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=100))
def test_every_text_can_be_searched(text: str) -> None:
    Rules([REFUND, SHIP]).find(text)


@given(st.lists(st.sampled_from(["refund", "a", "money", "back", "parcel"]), max_size=8))
def test_words_agree_with_the_plain_way(words: list[str]) -> None:
    text = " ".join(words)
    expected = "refund" if "refund" in words or "money back" in text else None
    assert intent(Rules([REFUND]), text) == expected


@pytest.mark.parametrize(
    ("word", "text"),
    [("退款", "我要退款吗"), ("返金", "返金してください"), ("คืนเงิน", "ขอคืนเงินครับ")],
)
def test_words_of_scripts_without_spaces_are_found_within_sentences(word: str, text: str) -> None:
    rules = Rules([Rule("refund", words=(word,))])
    assert intent(rules, text) == "refund"
    assert intent(rules, "何か") is None


def test_as_many_patterns_as_there_may_be_are_taken() -> None:
    patterns = tuple(f"{number:03}" + "a" * 997 for number in range(256))
    rules = Rules([Rule("long", patterns=patterns)])
    assert intent(rules, patterns[200]) == "long"


def test_patterns_that_are_too_much_together_are_refused() -> None:
    patterns = tuple(f"(a|b)[a-z ]{{0,900}}(c|d) k{number}" for number in range(256))
    with pytest.raises(SettingsInvalid, match=r"too much|cannot be used"):
        Rules([Rule("large", patterns=patterns)])

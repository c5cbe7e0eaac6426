import pytest

from headrace.video.glyphs import drawable, is_rtl, plain


def latin(char: str) -> bool:
    return char.isascii() or char in "éﷺ�"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\tb\n c\r\n", "a b c"),
        ("a\0b\x1b[31m", "a b [31m"),
        ("e\N{COMBINING ACUTE ACCENT}", "é"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}a\N{SOFT HYPHEN}b\N{ZERO WIDTH SPACE}c", "abc"),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b\N{POP DIRECTIONAL ISOLATE}", "ab"),
        ("a\ud800b", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\N{LINE SEPARATOR}b", "a b"),
        ("می\N{ZERO WIDTH NON-JOINER}خواهم", "می\N{ZERO WIDTH NON-JOINER}خواهم"),
    ],
)
def test_a_line_has_no_commands_to_the_layout(text: str, line: str) -> None:
    assert plain(text) == line


def test_what_ffmpeg_or_html_would_take_for_commands_stays() -> None:
    text = r"""%{pts} 100% 'x' "y" a\nb: [c];, {d} <b>&amp;</b> $(ls) `id`"""
    assert drawable(text, latin).text == text


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("up \N{ROCKET} we go", "up [rocket] we go"),
        ("\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5}", "[thumbs up sign]"),
        ("\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}", "[woman] [personal computer]"),
        (
            "in \N{REGIONAL INDICATOR SYMBOL LETTER D}\N{REGIONAL INDICATOR SYMBOL LETTER E}",
            "in [flag DE]",
        ),
        ("1\ufe0f\N{COMBINING ENCLOSING KEYCAP}", "1"),
        ("\N{BLACK HEART SUIT}\ufe0f", "[black heart suit]"),
        ("ﬁne", "fine"),
        ("a 中 b", "a � b"),
    ],
)
def test_what_no_font_has_is_replaced_visibly(text: str, drawn: str) -> None:
    assert drawable(text, latin).text == drawn


def test_missing_letters_are_counted_and_told_once() -> None:
    drawn = drawable("ab 中中文 \N{ROCKET}", latin)
    assert drawn.missing == ("中", "文", "\N{ROCKET}")
    assert (drawn.letters_missing, drawn.letters) == (3, 5)


def test_without_a_replacement_character_there_is_a_question_mark() -> None:
    assert drawable("中", str.isascii).text == "?"


def test_what_the_font_has_is_drawn_as_it_is() -> None:
    text = "\N{ROCKET} 中"
    assert drawable(text, lambda char: True).text == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("abc", False), ("שלום abc", True), ("123 مرحبا", True), ("abc שלום", False), ("12!", False)],
)
def test_the_first_strong_character_says_where_a_line_begins(text: str, expected: bool) -> None:
    assert is_rtl(text) is expected

from headrace.video.layout import Area, Sizes, body_sizes, fitted, safe_area, title_sizes

SIZES = Sizes(40, 10)


def half_em(text: str) -> float:
    return len(text) / 2


def test_a_short_text_has_the_largest_size_and_stands_in_the_middle() -> None:
    block = fitted("Hello", Area(100, 50, 400, 200), SIZES, half_em)
    assert block is not None
    assert block.size == 40
    (line,) = block.lines
    assert (line.text, line.width, line.top) == ("Hello", 100, 50 + (200 - 57) // 2)
    assert block.panel == Area(230, 101, 140, 97)


def test_a_long_text_gets_smaller_until_it_fits() -> None:
    area = Area(0, 0, 400, 200)
    block = fitted("word " * 30, area, SIZES, half_em)
    assert block is not None
    assert 10 <= block.size < 40
    assert " ".join(line.text for line in block.lines).split() == ["word"] * 30
    assert all(line.width <= area.width - block.size for line in block.lines)
    assert block.panel.top >= 0
    assert block.panel.top + block.panel.height <= 200


def test_what_fits_in_no_size_is_told() -> None:
    assert fitted("word " * 500, Area(0, 0, 400, 200), SIZES, half_em) is None


def test_an_area_too_narrow_for_a_letter_is_told() -> None:
    assert fitted("W", Area(0, 0, 14, 200), SIZES, half_em) is None


def test_a_word_wider_than_a_line_is_broken() -> None:
    block = fitted("a " + "x" * 60, Area(0, 0, 200, 400), Sizes(20, 20), half_em)
    assert block is not None
    assert "".join(line.text for line in block.lines) == "a" + "x" * 60
    assert all(line.width <= 180 for line in block.lines)


def test_lines_may_end_between_characters_of_chinese() -> None:
    block = fitted("中文字" * 8, Area(0, 0, 120, 400), Sizes(20, 20), lambda text: float(len(text)))
    assert block is not None
    assert len(block.lines) > 1
    assert "".join(line.text for line in block.lines) == "中文字" * 8


def test_lines_know_where_they_begin() -> None:
    block = fitted("שלום", Area(0, 0, 400, 200), SIZES, half_em)
    assert block is not None
    assert block.lines[0].is_rtl


def test_nothing_makes_a_block_without_lines() -> None:
    block = fitted("", Area(0, 0, 400, 200), SIZES, half_em)
    assert block is not None
    assert block.lines == ()


def test_sizes_follow_the_height_of_the_frame() -> None:
    assert body_sizes(720) == Sizes(65, 30)
    assert title_sizes(720).most > body_sizes(720).most
    assert body_sizes(90).least == 8
    assert safe_area(1280, 720) == Area(102, 58, 1076, 604)

"""Kinds of text, told by a sample of them."""

import pytest

from headrace.prompt.counting.content import Content, chars_by_kind, length_estimate, read_traits

TEXTS = {
    Content.ENGLISH: "The water of the river turns the wheel, and the miller is asleep. ",
    Content.LATIN: "Das Wasser des Flusses dreht das Rad der Mühle, und der Müller schläft. ",
    Content.CYRILLIC: "Вода реки вращает колесо мельницы, а мельник спит до утра. ",
    Content.CJK: "河水转动水车,磨坊主还在睡觉。水路は川の水を運びます。",
    Content.OTHER: "تحمل القناة الماء من النهر إلى عجلة الطاحونة. ",
    Content.CODE: "def turn(wheel: Wheel, *, force=1.0):\n    wheel.angle += force * wheel.arm\n",
    Content.JSON: '{"river": "Thames", "mills": [{"id": 17, "wheels": 3}], "open": true},\n',
}


@pytest.mark.parametrize("kind", Content)
@pytest.mark.parametrize("times", [1, 3, 40, 2000])
def test_each_kind_is_told_at_any_length(kind: Content, times: int) -> None:
    traits = read_traits(TEXTS[kind] * times)
    assert traits.shares[kind] == max(traits.shares)
    assert traits.shares[kind] > 0.7
    assert sum(traits.shares) == pytest.approx(1.0)
    assert sum(chars_by_kind(traits)) == pytest.approx(traits.chars)


def test_a_mixed_text_has_several() -> None:
    traits = read_traits(TEXTS[Content.ENGLISH] * 200 + TEXTS[Content.CYRILLIC] * 200)
    assert 0.3 < traits.shares[Content.ENGLISH] < 0.7
    assert 0.3 < traits.shares[Content.CYRILLIC] < 0.7


@pytest.mark.parametrize("times", [1, 10, 100, 5000])
def test_signs_digits_and_lines_are_about_right(times: int) -> None:
    text = TEXTS[Content.JSON] * times
    traits = read_traits(text)
    assert traits.digits == pytest.approx(3 * times, rel=0.1)
    assert traits.lines == pytest.approx(times, rel=0.1)
    assert traits.signs == pytest.approx(sum(not (c.isalnum() or c.isspace()) for c in text), 0.1)


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "\x00", "\ud800", "🏳️‍🌈", "\ufffd" * 5000, "1" * 3000]
)
def test_anything_is_some_kind(text: str) -> None:
    traits = read_traits(text)
    assert sum(traits.shares) == pytest.approx(1.0)
    assert length_estimate(traits) >= 0

import subprocess
import sys

import pytest

from headrace.errors import InvalidRequest
from headrace.video.script import (
    SCENE_CHARS_MAX,
    SCENES_MAX,
    SCRIPT_CHARS_MAX,
    TITLE_CHARS_MAX,
    checked_title,
    reading_s,
    scenes_of,
)


def test_short_sentences_share_a_scene() -> None:
    assert scenes_of("One. Two! Three?") == ("One. Two! Three?",)


def test_a_scene_has_no_more_than_can_be_read_at_once() -> None:
    sentence = "This sentence has about fifty letters, all told. "
    scenes = scenes_of(sentence * 4)
    assert scenes == (f"{sentence}{sentence}".strip(),) * 2


def test_an_empty_line_begins_a_new_scene() -> None:
    assert scenes_of("One.\n\nTwo.\n \t\nThree.") == ("One.", "Two.", "Three.")


def test_lines_of_a_paragraph_are_one_text() -> None:
    assert scenes_of("a line\nthat goes on") == ("a line that goes on",)


@pytest.mark.parametrize(
    "text",
    ["Dr. Smith met Mrs. Jones, i.e. nobody else.", "Plan B. J. said so.", "It is 3.5 metres."],
)
def test_an_abbreviation_ends_no_sentence(text: str) -> None:
    long = "x" * 100
    assert scenes_of(f"{long}. {text}")[1] == text


def test_sentences_end_in_every_script() -> None:
    pad = "好" * 35
    assert scenes_of(f"{pad}。是的。") == (f"{pad}。", "是的。")
    assert scenes_of("是。好。") == ("是。好。",)
    assert scenes_of(f"{'x' * 108}؟ نعم.") == (f"{'x' * 108}؟", "نعم.")


def test_a_sentence_that_is_too_long_is_divided_between_words() -> None:
    scenes = scenes_of("word " * 100)
    assert all(len(scene) <= SCENE_CHARS_MAX for scene in scenes)
    assert " ".join(scenes).split() == ["word"] * 100


def test_a_word_that_is_too_long_is_divided_anywhere() -> None:
    scenes = scenes_of("x" * 1000)
    assert "".join(scenes) == "x" * 1000
    assert max(map(len, scenes)) == SCENE_CHARS_MAX
    assert max(map(len, scenes_of("好" * 1000))) == SCENE_CHARS_MAX // 3


def test_scenes_may_be_given_one_by_one() -> None:
    assert scenes_of(["One.", "", "Two."]) == ("One.", "Two.")


@pytest.mark.parametrize("script", ["", "  \n\n ", [], ["", " "]])
def test_an_empty_script_is_refused(script: str | list[str]) -> None:
    with pytest.raises(InvalidRequest, match="empty") as refused:
        scenes_of(script)
    assert (refused.value.code, refused.value.param) == ("script_empty", "script")


def test_a_script_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="longer than 100,000") as refused:
        scenes_of("x" * (SCRIPT_CHARS_MAX + 1))
    assert refused.value.code == "script_too_long"


def test_too_many_scenes_are_refused() -> None:
    assert len(scenes_of("A.\n\n" * SCENES_MAX)) == SCENES_MAX
    with pytest.raises(InvalidRequest, match="501 scenes"):
        scenes_of("A.\n\n" * (SCENES_MAX + 1))


@pytest.mark.parametrize("unit", ["x", "a. ", "好", "b? ", "好 ", '."'])
def test_the_longest_scripts_hold_nobody_up(unit: str) -> None:
    """In another process, as nothing else could end it: what is square in length takes minutes."""
    code = (
        "import sys; from headrace.errors import InvalidRequest; "
        "from headrace.video.script import SCRIPT_CHARS_MAX, scenes_of\n"
        "try: scenes_of((sys.argv[1] * SCRIPT_CHARS_MAX)[:SCRIPT_CHARS_MAX])\n"
        "except InvalidRequest: pass\n"
    )
    subprocess.run([sys.executable, "-c", code, unit], check=True, timeout=60)


def test_a_title_is_one_line_of_bounded_length() -> None:
    assert checked_title(" a\n title ") == "a title"
    with pytest.raises(InvalidRequest) as refused:
        checked_title("x" * (TITLE_CHARS_MAX + 1))
    assert refused.value.param == "title"


def test_what_is_longer_stays_longer() -> None:
    assert reading_s("Yes.") == 2.0
    assert reading_s("x" * 150) == pytest.approx(10.6)
    assert reading_s("好" * 50) == pytest.approx(10.6)

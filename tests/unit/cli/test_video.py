"""What `headrace video` makes of its file and its options."""

import pytest

from headrace.cli.video_run import divided, sized
from headrace.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "title", "script"),
    [
        ("# The mill\n\nWater.", "The mill", "\nWater."),
        ("\ufeff\n# The mill \nWater.", "The mill", "Water."),
        ("# The mill", "The mill", ""),
        ("#1 is water.", "", "#1 is water."),
        ("Water.\n# No title", "", "Water.\n# No title"),
        ("", "", ""),
    ],
)
def test_a_first_line_may_be_the_title(text: str, title: str, script: str) -> None:
    assert divided(text) == (title, script)


def test_a_size_is_two_numbers() -> None:
    assert sized("1280x720") == sized("1280X720") == (1280, 720)


@pytest.mark.parametrize("size", ["", "x", "1280", "1280x", "-2x4", "1e3x10", "1280x720x3", "²x2"])
def test_what_is_no_size_is_told(size: str) -> None:
    with pytest.raises(InvalidRequest, match="write it as 1280x720") as refused:
        sized(size)
    assert refused.value.param == "size"

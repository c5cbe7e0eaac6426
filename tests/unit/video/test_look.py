import msgspec
import pytest

from headrace.errors import InvalidRequest
from headrace.video.look import PALETTE, PRESETS, Look


def test_what_is_usual_is_fit() -> None:
    Look().check()
    for preset in PRESETS:
        msgspec.structs.replace(Look(), preset=preset).check()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 1281),
        ("width", 0),
        ("width", 7680),
        ("height", 88),
        ("height", 721),
        ("fps", 0),
        ("fps", 29.97),
        ("width", "1280"),
        ("threads", True),
        ("fps", 61),
        ("crf", 52),
        ("threads", 0),
        ("threads", 65),
        ("crossfade_s", -0.1),
        ("crossfade_s", float("nan")),
        ("preset", "veryfast -f null"),
        ("background", "pink"),
        ("colors", ()),
        ("colors", ("red",)),
        ("colors", ("#000000,drawtext",)),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        msgspec.structs.replace(Look(), **{field: value}).check()
    assert (refused.value.param, refused.value.code) == (field, "video_option")


def test_white_letters_are_read_on_every_colour_of_ours() -> None:
    for color in PALETTE:
        channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
        assert 1.05 / (luminance + 0.05) >= 7, color

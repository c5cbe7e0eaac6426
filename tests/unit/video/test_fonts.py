import shutil
from pathlib import Path

import pytest

from headrace.video.faults import VideoFault
from headrace.video.fonts import FontShelf, Typeface, packaged_fonts

NOTO = packaged_fonts()[0]


def test_the_packaged_font_is_found_and_has_latin_greek_and_cyrillic() -> None:
    face = FontShelf(folders=()).suited("Hello, Γειά, Привет — “…” 100 %")
    assert face.path == NOTO
    assert all(map(face.has, "aßéΩЖ�"))
    assert not face.has("\N{ROCKET}")


def test_width_is_of_the_shaped_text() -> None:
    face = Typeface(NOTO)
    assert face.measure("") == 0
    assert face.measure("iiii") < face.measure("WWWW") / 2
    assert face.measure("ab") == pytest.approx(face.measure("a") + face.measure("b"), rel=0.05)


def test_the_font_that_lacks_fewest_is_taken(tmp_path: Path) -> None:
    shelf = FontShelf(folders=(str(tmp_path),))
    assert shelf.suited("Hello 中").path == NOTO


def test_fonts_of_the_system_are_found_and_damaged_ones_passed_over(tmp_path: Path) -> None:
    (tmp_path / "A Sans.ttf").write_bytes(b"no font")
    (tmp_path / "empty.otf").write_bytes(b"")
    (tmp_path / "deep").mkdir()
    shutil.copy(NOTO, tmp_path / "deep" / "My Sans.ttf")
    shelf = FontShelf(folders=(str(tmp_path),), packaged=lambda: ())
    assert shelf.suited("Hello").path == tmp_path / "deep" / "My Sans.ttf"


@pytest.mark.parametrize(
    ("table", "other"), [(b"glyf", b"gl__"), (b"STAT", b"SVG ")], ids=["no outlines", "colours"]
)
def test_signs_that_ffmpeg_cannot_draw_are_passed_over(
    tmp_path: Path, table: bytes, other: bytes
) -> None:
    """As fonts of emoji are, which many machines have."""
    data = NOTO.read_bytes()
    assert data.count(table, 0, 1000) == 1  # in the list of its tables, which has to stay sorted
    (tmp_path / "My Sans.ttf").write_bytes(data.replace(table, other, 1))
    shelf = FontShelf(folders=(str(tmp_path),), packaged=lambda: ())
    with pytest.raises(VideoFault, match="no font was found"):
        shelf.suited("Hello")


def test_a_font_of_the_callers_without_outlines_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.ttf").write_bytes(NOTO.read_bytes().replace(b"glyf", b"gl__", 1))
    with pytest.raises(VideoFault, match=r"mine\.ttf are pictures") as told:
        FontShelf(tmp_path / "mine.ttf").suited("Hello")
    assert told.value.cause == "font_missing"


def test_no_font_at_all_is_told(tmp_path: Path) -> None:
    shelf = FontShelf(folders=(str(tmp_path),), packaged=lambda: ())
    with pytest.raises(VideoFault, match="no font was found") as missing:
        shelf.suited("Hello")
    assert missing.value.cause == "font_missing"


@pytest.mark.parametrize("data", [None, b"", b"no font"])
def test_a_font_of_the_callers_that_is_none_is_told(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "mine.ttf"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(VideoFault, match=r"mine\.ttf") as missing:
        FontShelf(path).suited("Hello")
    assert missing.value.cause == "font_missing"


def test_a_font_of_the_callers_is_taken_whatever_it_lacks() -> None:
    assert FontShelf(NOTO).suited("中").path == NOTO

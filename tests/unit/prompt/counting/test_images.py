"""Images by the examples that providers give, and their sizes out of their headers."""

import base64
import struct

import pytest

from headrace.prompt.counting.images import (
    Image,
    claude_rule,
    flat_rule,
    gemini_rule,
    openai_rule,
    read_image,
)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(40)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(40)


def jpeg(width: int, height: int) -> bytes:
    profile = b"\xff\xe2" + struct.pack(">H", 9000) + bytes(8998)
    frame = b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + bytes(12)
    return b"\xff\xd8" + profile + frame


def webp(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + size + bytes(8)


def webp_lossy(width: int, height: int) -> bytes:
    head = b"RIFF\x00\x00\x00\x00WEBPVP8 \x00\x00\x00\x00\x00\x00\x00\x9d\x01\x2a"
    return head + struct.pack("<HH", width, height) + bytes(8)


def webp_lossless(width: int, height: int) -> bytes:
    packed = (width - 1) | (height - 1) << 14
    return b"RIFF\x00\x00\x00\x00WEBPVP8L\x00\x00\x00\x00\x2f" + packed.to_bytes(4, "little") * 3


@pytest.mark.parametrize("write", [png, gif, jpeg, webp, webp_lossy, webp_lossless])
def test_the_size_is_found_in_the_header(write: object) -> None:
    assert callable(write)
    encoded = base64.b64encode(write(640, 480)).decode()
    assert read_image(encoded) == Image(640, 480, is_known=True)
    assert read_image(f"data:image/any;base64,{encoded}") == Image(640, 480, is_known=True)


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        "",
        "https://example.com/a.png",
        "data:image/png;base64,",
        "no base64 at all!",
        base64.b64encode(b"\xff\xd8\xff").decode(),
        base64.b64encode(b"\xff\xd8" + b"\xff\xe0\x00\x00" * 9).decode(),
        base64.b64encode(b"RIFF0000WEBPVP8?" + bytes(30)).decode(),
        base64.b64encode(bytes(64)).decode(),
    ],
)
def test_where_no_size_is_found_a_usual_one_is_assumed(data: object) -> None:
    assert read_image(data) == Image(1024, 1024)


def test_a_size_that_cannot_be_is_bounded() -> None:
    image = read_image(base64.b64encode(png(0, 0xFFFFFFFF)).decode())
    for rule in (openai_rule("gpt-4o"), openai_rule("o4-mini"), claude_rule(""), gemini_rule("")):
        assert 0 < rule(image) < 10_000_000


@pytest.mark.parametrize(
    ("model", "image", "tokens"),
    [
        ("gpt-4o", Image(1024, 1024), 765),
        ("gpt-4o", Image(2048, 4096), 1105),
        ("gpt-4o", Image(4096, 8192, is_low=True), 85),
        ("gpt-4o-mini", Image(512, 512), 2833 + 5667),
        ("gpt-5", Image(1024, 1024), 70 + 4 * 140),
        ("o3", Image(128, 64), 225),
        ("gpt-4.1-mini", Image(1024, 1024), 1659),  # 1,024 patches
        ("o4-mini", Image(1800, 2400), 2498),  # 1,452 patches
    ],
)
def test_openai_by_its_own_examples(model: str, image: Image, tokens: int) -> None:
    assert openai_rule(model)(image) == tokens


def test_anthropic_by_its_own_examples() -> None:
    older = claude_rule("claude-sonnet-4-5", is_older=True)
    assert older(Image(200, 200)) == 54
    assert older(Image(1000, 1000)) == 1334
    assert older(Image(8000, 8000)) == 1600
    assert claude_rule("claude-opus-4-7")(Image(8000, 8000)) == 4784


def test_others() -> None:
    assert gemini_rule("")(Image(300, 384)) == 258
    assert gemini_rule("")(Image(960, 540)) == 258 * 2
    assert gemini_rule("")(Image(1 << 20, 1 << 20)) == 258 * 16
    assert flat_rule("")(Image()) == 1000

"""How many tokens an image takes, by the rules that providers document. Pure.

OpenAI: https://platform.openai.com/docs/guides/images-vision#calculating-costs
Anthropic: https://docs.anthropic.com/en/docs/build-with-claude/vision#calculate-image-costs
Google: https://ai.google.dev/gemini-api/docs/tokens#multimodal-tokens
"""

import base64
import binascii
import math
import struct
from collections.abc import Callable
from typing import Final

import msgspec


class Image(msgspec.Struct, frozen=True):
    """An image in a request.

    Attributes:
        width: in pixels; what is usual, where that is not known.
        height: the same.
        is_low: whether little detail is asked for.
        is_known: whether its size was found in the request.
    """

    width: int = 1024
    height: int = 1024
    is_low: bool = False
    is_known: bool = False


ImageRule = Callable[[Image], int]

_SIDE_MAX: Final = 1 << 20
# Enough for the header of any format; of JPEG, behind a colour profile and a thumbnail.
_HEADER_CHARS: Final = 96 << 10
_SOI: Final = b"\xff\xd8"


def openai_rule(model: str) -> ImageRule:
    """OpenAI's rule for a model."""
    for name, multiplier in _PATCH_MODELS:
        if name in model:
            return lambda image: _patches(image, multiplier)
    for name, base, tile in _TILE_MODELS:
        if name in model:
            return lambda image: _tiles(image, base, tile)
    return lambda image: _tiles(image, 70, 140)


_PATCH_MODELS: Final = (
    ("gpt-5-mini", 1.62),
    ("gpt-5-nano", 2.46),
    ("gpt-4.1-mini", 1.62),
    ("gpt-4.1-nano", 2.46),
    ("o4-mini", 1.72),
)
_TILE_MODELS: Final = (
    ("gpt-4o-mini", 2833, 5667),
    ("gpt-4", 85, 170),
    ("computer-use", 65, 129),
    ("o1", 75, 150),
    ("o3", 75, 150),
)


def _patches(image: Image, multiplier: float) -> int:
    """Patches of 32 pixels; above 1,536 the image is scaled down to fit."""
    width, height = float(image.width), float(image.height)
    count = math.ceil(width / 32) * math.ceil(height / 32)
    if count > 1536:
        shrink = math.sqrt(32 * 32 * 1536 / (width * height))
        across, down = width * shrink / 32, height * shrink / 32
        shrink *= min(
            max(1.0, math.floor(across)) / across if across >= 1 else 1.0,
            max(1.0, math.floor(down)) / down if down >= 1 else 1.0,
        )
        count = math.ceil(width * shrink / 32) * math.ceil(height * shrink / 32)
    return math.ceil(min(count, 1536) * multiplier)


def _tiles(image: Image, base: int, tile: int) -> int:
    """Squares of 512 pixels, once it fits into 2,048 and its shorter side into 768."""
    if image.is_low:
        return base
    shrink = min(1.0, 2048 / max(image.width, image.height))
    width, height = image.width * shrink, image.height * shrink
    shrink = min(1.0, 768 / min(width, height))
    width, height = width * shrink, height * shrink
    return base + tile * math.ceil(width / 512) * math.ceil(height / 512)


def claude_rule(model: str, *, is_older: bool = False) -> ImageRule:
    """Anthropic's rule: a token for 750 pixels, of what is left when it was made to fit.

    Args:
        model: does not matter.
        is_older: whether it takes the smaller images of models before Claude Opus 4.7.
    """
    del model
    side, most = (1568, 1600) if is_older else (2576, 4784)

    def tokens(image: Image) -> int:
        shrink = min(1.0, side / max(image.width, image.height))
        pixels = image.width * shrink * image.height * shrink
        return max(1, min(most, math.ceil(pixels / 750)))

    return tokens


_GEMINI_SIDE_MAX = 3072


def gemini_rule(model: str) -> ImageRule:
    """Google's rule: 258 tokens for a small image, and for each tile of a larger one."""
    del model

    def tokens(image: Image) -> int:
        longest = max(image.width, image.height)
        if longest <= 384:
            return 258
        tile = 768 * max(1.0, longest / _GEMINI_SIDE_MAX)  # larger ones are scaled down
        return 258 * math.ceil(image.width / tile) * math.ceil(image.height / tile)

    return tokens


def flat_rule(model: str) -> ImageRule:
    """What is assumed where no rule is known."""
    del model
    return lambda _: 1000


def read_image(data: object, *, is_low: bool = False) -> Image:
    """An image by its base64, or by a URL that holds it.

    Args:
        data: base64 or a URL; of another URL the size is not known.
        is_low: whether little detail is asked for.
    """
    size = None
    if isinstance(data, str):
        encoded = data
        if data.startswith("data:"):
            encoded = data[data.find(",", 0, 256) + 1 :]
        elif "://" in data[:16]:
            encoded = ""
        size = _size(_decoded(encoded))
    if size is None:
        return Image(is_low=is_low)
    width, height = (min(max(1, side), _SIDE_MAX) for side in size)
    return Image(width, height, is_low, is_known=True)


def _decoded(encoded: str) -> bytes:
    head = encoded[:_HEADER_CHARS]
    head = head[: len(head) & ~3]
    try:
        return base64.b64decode(head)
    except (binascii.Error, ValueError):
        return b""


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF, WebP or JPEG."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if data.startswith((b"GIF87a", b"GIF89a")) and len(data) >= 10:
        width, height = struct.unpack("<HH", data[6:10])
        return width, height
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP" and len(data) >= 30:
        return _webp_size(data)
    if data.startswith(_SOI):
        return _jpeg_size(data)
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        packed = int.from_bytes(data[21:25], "little")
        return (packed & 0x3FFF) + 1, ((packed >> 14) & 0x3FFF) + 1
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None

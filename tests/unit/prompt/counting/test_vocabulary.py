"""Exact counts against tiktoken, fed with the same vocabulary and without a network."""

import base64
import hashlib
import importlib.util
import random
from functools import cache
from gzip import decompress
from pathlib import Path

import pytest
import tiktoken
from tiktoken_ext import openai_public

from headrace.prompt.counting.families import Vocabulary
from headrace.prompt.counting.vocabulary import encoder, pieces, without_lone_surrogates

STRINGS = 3000
SEED = 20_260_101
VOCABULARIES: tuple[Vocabulary, ...] = ("cl100k_base", "o200k_base")

PIECES = (
    " ",
    "  ",
    "\n",
    "\r\n\r\n",
    "\t",
    "the",
    " The",
    "It's",
    "we'LL",
    "'s",
    "12345",
    "3.14",
    "naïve",
    "Übermut",
    "Straße",
    "привет",
    " мир",
    "你好",
    "世界",
    "こんにちは",
    "안녕",
    "مرحبا",
    "नमस्ते",
    "e\u0301",
    "ﬁ",
    "👩‍👩‍👧",
    "🏳️‍🌈",
    "\u200b",
    "\u00a0",
    "\u3000",
    "\x00",
    "{",
    '":',
    "/*",
    "!!!",
    "//",
    "\\n",
    "_",
    "<|endoftext|>",
    "<|im_start|>",
    "ǅ",
    "ʰ",
    "٣",
    "Ⅷ",
    "\U0001d400",
)


def ranks(url: str, expected_hash: str) -> dict[bytes, int]:
    """What tiktoken would download, out of bpe-openai, if it is the same."""
    package = importlib.util.find_spec("bpe_openai")
    assert package is not None
    assert package.origin is not None
    name = url.rpartition("/")[2]
    data = decompress(Path(package.origin).with_name("data").joinpath(f"{name}.gz").read_bytes())
    assert hashlib.sha256(data).hexdigest() == expected_hash, name
    lines = (line.split() for line in data.splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in lines}


@cache
def reference(vocabulary: Vocabulary) -> tiktoken.Encoding:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_public, "load_tiktoken_bpe", ranks)
        return tiktoken.Encoding(**openai_public.ENCODING_CONSTRUCTORS[vocabulary]())


def fuzzed(rng: random.Random) -> str:
    kind = rng.random()
    length = rng.choice((1, 3, 10, 40, 150))
    if kind < 0.5:
        return "".join(rng.choice(PIECES) for _ in range(length))
    if kind < 0.7:
        return "".join(chr(rng.randrange(32, 127)) for _ in range(length))
    ranges = ((0, 0xD800), (0xE000, 0x110000), (0, 0x250), (0x400, 0x530), (0x4E00, 0x5000))
    return "".join(chr(rng.randrange(*rng.choice(ranges))) for _ in range(length))


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_counts_equal_those_of_tiktoken(vocabulary: Vocabulary) -> None:
    count, other = encoder(vocabulary), reference(vocabulary)
    assert count is not None
    rng = random.Random(SEED)
    texts = [fuzzed(rng) for _ in range(STRINGS)]
    assert [count(text) for text in texts] == [len(other.encode_ordinary(t)) for t in texts]


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "x" * 200 + "\udc00"])
def test_a_lone_surrogate_is_counted_as_the_sign_of_replacement(text: str) -> None:
    count = encoder("o200k_base")
    assert count is not None
    clean = without_lone_surrogates(text)
    clean.encode()
    assert "\ufffd" in clean
    assert count(text) == count(clean) == len(reference("o200k_base").encode_ordinary(clean))


def test_surrogates_that_belong_together_are_one_character() -> None:
    count = encoder("o200k_base")
    assert count is not None
    assert without_lone_surrogates("\ud83d\ude00") == "😀"
    assert count("\ud83d\ude00") == count("😀")


@pytest.mark.parametrize("text", ["a" * 2_500_000, " " * 2_500_000, "你好" * 1_000_000])
def test_long_runs_take_no_longer_than_others(text: str) -> None:
    count = encoder("o200k_base")
    assert count is not None
    assert 0 < count(text) < len(text)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("chars", [20, 40, 100])
def test_pieces_add_up_to_the_whole(vocabulary: Vocabulary, chars: int) -> None:
    """Where there are seams; a cut elsewhere may add a token."""
    count, dice = encoder(vocabulary), random.Random(SEED)
    assert count is not None
    for _ in range(200):
        words = dice.choices([*PIECES, " of the water", " mills and", " a b", "x y z"], k=40)
        text = " and so on ".join(words)
        parts = list(pieces(text, chars))
        assert "".join(parts) == text
        assert sum(map(count, parts)) == count(text)


def test_a_text_without_seams_is_parted_all_the_same() -> None:
    parts = list(pieces("0f" * 5000, 100))
    assert "".join(parts) == "0f" * 5000
    assert max(map(len, parts)) == 800


def test_long_texts_are_counted_in_pieces() -> None:
    count = encoder("o200k_base")
    assert count is not None
    text = "of water and of mills, " * 10_000
    assert count(text) == len(reference("o200k_base").encode_ordinary(text))
    assert count(text + "\ud800") == count(text + "\ufffd")

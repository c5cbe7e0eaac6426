"""The weights of a trained model: what they score a text as, and how they are written to a file.

A file is a numpy archive of plain arrays. It is read without pickle, so that a file from elsewhere
can do no more than score badly, and everything in it is checked before it is used.
"""

import io
import struct
import tokenize
import zipfile
import zlib
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from headrace.errors import SettingsInvalid
from headrace.routing.intent.features import BUCKETS, FEATURES_VERSION, pieces, read_features
from headrace.settings.values import intent_problem

FORMAT_VERSION: Final = 1
INTENTS_MAX: Final = 512
UNKNOWN: Final = "unknown"
"""What a text is that is of no intent; as a label, one that must not be taken for any."""

# 512 intents take 64 MiB; whatever is larger is none of ours.
_BYTES_MAX: Final = 128 << 20
Scores = NDArray[np.float32]

_ODDS_MAX: Final = 30.0
# What numpy and zipfile raise on bytes that are not what they seem to be.
_UNREADABLE: Final = (
    *(ValueError, OSError, EOFError, KeyError, RuntimeError, MemoryError, TypeError),
    *(struct.error, zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)
_ARRAYS: Final = ("format", "features", "names", "rarity", "weights", "calibration")


class Calibration(msgspec.Struct, frozen=True):
    """What makes probabilities of scores.

    How familiar a text is, is the logarithm of the sum of its scores' exponentials (Liu and others,
    "Energy-based Out-of-distribution Detection", 2020): one high score is enough, and where all are
    low it is low, whichever is the highest.

    Attributes:
        temperature: scores are divided by it before they become shares of 1.
        slope: of the logistic from familiarity to the probability that a text is of an intent.
        offset: of the same.
        threshold: below this probability a text is unknown.
    """

    temperature: float = 0.1
    slope: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5

    def shares(self, scores: Scores) -> Scores:
        """How likely each intent is, where it is one of them; the last axis sums to 1."""
        heated = scores / self.temperature
        powers = np.exp(heated - heated.max(axis=-1, keepdims=True))
        shares: Scores = powers / powers.sum(axis=-1, keepdims=True)
        return shares

    def familiarity(self, scores: Scores) -> Scores:
        """How familiar texts of these scores are, one number for each along the last axis."""
        heated = scores / self.temperature
        highest = heated.max(axis=-1, keepdims=True)
        familiarity: Scores = np.log(np.exp(heated - highest).sum(axis=-1)) + highest[..., 0]
        return familiarity

    def known(self, familiarity: Scores) -> Scores:
        """How likely texts so familiar are of an intent at all."""
        odds = np.clip(self.slope * familiarity + self.offset, -_ODDS_MAX, _ODDS_MAX)
        known: Scores = 1.0 / (1.0 + np.exp(-odds))
        return known


class Weights(msgspec.Struct, frozen=True, eq=False):
    """A linear model.

    Attributes:
        names: of the intents, in the order of the columns.
        rarity: by bucket: how much more a rare word says than one that is everywhere.
        matrix: by bucket and intent.
        calibration: see above.
    """

    names: tuple[str, ...]
    rarity: Scores
    matrix: Scores
    calibration: Calibration = Calibration()

    def scores(self, text: str) -> Scores:
        """How much speaks for each intent: near 1 for one that fits, near 0 for others.

        Of a long text, that of its ends counts which is more familiar.
        """
        read = [self._scores(piece) for piece in pieces(text)]
        if len(read) == 1:
            return read[0]
        return max(read, key=lambda scores: float(self.calibration.familiarity(scores)))

    def _scores(self, piece: str) -> Scores:
        buckets, values = weighed(piece, self.rarity)
        return values @ self.matrix[buckets]

    def to_bytes(self) -> bytes:
        """The weights as they stand in a file."""
        names = "\n".join(self.names).encode()
        calibration = msgspec.structs.astuple(self.calibration)
        file = io.BytesIO()
        np.savez_compressed(
            file,
            format=np.array(FORMAT_VERSION),
            features=np.array([FEATURES_VERSION, BUCKETS]),
            names=np.frombuffer(names, np.uint8),
            rarity=self.rarity,
            weights=self.matrix.astype(np.float16),
            calibration=np.array(calibration),
        )
        return file.getvalue()


def weighed(text: str, rarity: Scores) -> tuple[NDArray[np.intp], Scores]:
    """The buckets of a text and what each counts; the squares of the latter sum to 1."""
    buckets, values = read_features(text)
    values = values * rarity[buckets]
    length = float(np.sqrt(values @ values))
    return buckets, values / length if length else values


def read_weights(data: bytes) -> Weights:
    """The weights in the bytes of a file.

    Raises:
        SettingsInvalid: it is no file of ours, is of another version, or is damaged.
    """
    if len(data) > _BYTES_MAX:
        raise _broken(f"larger than {_BYTES_MAX >> 20} MiB")
    try:
        _check_sizes(data)
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _ARRAYS if name in archive.files}
    except _UNREADABLE as e:
        raise _broken(f"not a file that `headrace intent train` wrote ({e})") from e
    missing = [name for name in _ARRAYS if not isinstance(arrays.get(name), np.ndarray)]
    if missing:
        raise _broken(f"{', '.join(missing)} missing")
    _check_versions(arrays)
    names = _names(arrays["names"])
    shapes = {"rarity": (BUCKETS,), "weights": (BUCKETS, len(names))}
    for name, shape in {**shapes, "calibration": (4,)}.items():
        array = arrays[name]
        if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise _broken(f"{name} is not {shape} of finite numbers")
    calibration = Calibration(*map(float, arrays["calibration"]))
    if calibration.temperature <= 0:
        raise _broken("its temperature is not above 0")
    return Weights(
        names,
        arrays["rarity"].astype(np.float32),
        arrays["weights"].astype(np.float32),
        calibration,
    )


def _check_sizes(data: bytes) -> None:
    """Refuse an archive that would unpack to far more than weights take."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _BYTES_MAX:
            raise ValueError("it unpacks to too much")


def _check_versions(arrays: dict[str, NDArray[np.generic]]) -> None:
    found = [arrays["format"].tolist(), arrays["features"].tolist()]
    if found != [FORMAT_VERSION, [FEATURES_VERSION, BUCKETS]]:
        raise _broken("it is of another version: train it again")


def _names(array: NDArray[np.generic]) -> tuple[str, ...]:
    try:
        names = tuple(array.tobytes().decode().split("\n"))
    except UnicodeDecodeError as error:
        raise _broken("its names are no text") from error
    if len(names) > INTENTS_MAX or len(set(names)) != len(names):
        raise _broken("its names are too many, or stand twice")
    if any(intent_problem(name) for name in names):
        raise _broken("a name in it is none")
    return names


def _broken(why: str) -> SettingsInvalid:
    return SettingsInvalid(f"these weights cannot be used: {why}")

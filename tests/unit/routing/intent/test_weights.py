"""Files of weights: what was written is read again, and what is broken is refused."""

import io
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest

from headrace.errors import SettingsInvalid
from headrace.routing.intent.features import BUCKETS, FEATURES_VERSION
from headrace.routing.intent.weights import FORMAT_VERSION, Calibration, Weights, read_weights


def weights() -> Weights:
    chance = np.random.default_rng(1)
    return Weights(
        ("pay", "ship"),
        np.ones(BUCKETS, np.float32),
        chance.normal(size=(BUCKETS, 2)).astype(np.float16).astype(np.float32),
        Calibration(0.1, 2.0, -3.0, 0.4),
    )


def written(**changes: Any) -> bytes:
    arrays = {
        "format": np.array(FORMAT_VERSION),
        "features": np.array([FEATURES_VERSION, BUCKETS]),
        "names": np.frombuffer(b"pay\nship", np.uint8),
        "rarity": np.ones(BUCKETS, np.float32),
        "weights": np.zeros((BUCKETS, 2), np.float16),
        "calibration": np.array([0.1, 1.0, 0.0, 0.5]),
        **changes,
    }
    file = io.BytesIO()
    np.savez_compressed(file, **{k: v for k, v in arrays.items() if v is not None})
    return file.getvalue()


def test_what_was_written_is_read_again() -> None:
    before = weights()
    after = read_weights(before.to_bytes())
    assert after.names == before.names
    assert after.calibration == before.calibration
    assert (after.matrix == before.matrix).all()
    assert (after.scores("ship it") == before.scores("ship it")).all()


def test_the_format_is_as_these_tests_write_it() -> None:
    assert read_weights(written()).names == ("pay", "ship")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": np.array(99)}, "another version"),
        ({"features": np.array([FEATURES_VERSION + 1, BUCKETS])}, "another version"),
        ({"features": np.array([FEATURES_VERSION, 1024])}, "another version"),
        ({"weights": None}, "weights missing"),
        ({"weights": np.zeros((BUCKETS, 3), np.float16)}, "weights is not"),
        ({"weights": np.zeros((BUCKETS, 2), np.int32)}, "weights is not"),
        ({"weights": np.full((BUCKETS, 2), np.nan, np.float16)}, "finite"),
        ({"rarity": np.ones(7, np.float32)}, "rarity is not"),
        ({"calibration": np.array([0.0, 1.0, 0.0, 0.5])}, "temperature"),
        ({"calibration": np.array([np.inf, 1.0, 0.0, 0.5])}, "finite"),
        ({"names": np.frombuffer(b"pay\npay", np.uint8)}, "twice"),
        ({"names": np.frombuffer(b"\xff\nship", np.uint8)}, "no text"),
        ({"names": np.frombuffer(b"pay me\nship", np.uint8)}, "a name in it is none"),
        ({"weights": np.array([{"a": 1}], dtype=object)}, "not a file"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsInvalid, match=why):
        read_weights(written(**changes))


@pytest.mark.parametrize(
    "data",
    [b"", b"weights", b"PK\x03\x04 and so on", pickle.dumps({"weights": 1}), written()[:-200]],
    ids=["empty", "text", "half a head", "pickle", "cut off"],
)
def test_what_is_no_file_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(SettingsInvalid, match="not a file"):
        read_weights(data)


def test_every_damaged_byte_is_survived() -> None:
    data = bytearray(written())
    for at in range(0, len(data), max(1, len(data) // 200)):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        try:
            read_weights(bytes(damaged))
        except SettingsInvalid:
            continue


def test_what_unpacks_to_too_much_is_not_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights.npy", bytes(200 << 20))
    assert len(file.getvalue()) < 1 << 20
    with pytest.raises(SettingsInvalid, match="unpacks to too much"):
        read_weights(file.getvalue())

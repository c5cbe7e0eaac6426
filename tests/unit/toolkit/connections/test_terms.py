"""What a pool is told has to make sense."""

import math
from typing import Any

import pytest

from headrace import SettingsInvalid
from headrace.toolkit.connections.pool import ConnectionPool
from headrace.toolkit.connections.sync_pool import SyncConnectionPool

FACES = pytest.mark.parametrize("face", [ConnectionPool, SyncConnectionPool])


@FACES
@pytest.mark.parametrize(
    "arguments",
    [
        {"pool_size": 0},
        {"pool_size": -1},
        {"max_keepalive": -1},
        {"retries": -1},
        {"answer_bytes_max": 0},
        {"keepalive_s": 0},
        {"connect_timeout_s": -1.0},
        {"read_timeout_s": math.nan},
    ],
)
def test_bounds_that_make_no_sense_are_refused(face: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        face(**arguments)


@FACES
@pytest.mark.parametrize(
    "arguments", [{"pool_size": 1.5}, {"retries": True}, {"total_timeout_s": "1"}]
)
def test_other_types_are_refused(face: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(arguments))):
        face(**arguments)


@FACES
def test_no_limit_is_none(face: Any) -> None:
    names = ("keepalive_s", "connect_timeout_s", "read_timeout_s", "total_timeout_s")
    face(**dict.fromkeys(names), pool_timeout_s=None, max_keepalive=0, retries=0)


@FACES
def test_authority_that_is_none_is_told_at_once(face: Any, tmp_path: Any) -> None:
    with pytest.raises(SettingsInvalid, match="No such file"):
        face(ca_file=tmp_path / "absent.pem")
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(SettingsInvalid, match="ca_file"):
        face(ca_file=tmp_path / "empty.pem")

"""What may be set of the store, and how many connections that makes."""

import pytest

from headrace.errors import SettingsInvalid
from headrace.settings import StoreSettings, parse_settings
from headrace.settings.store import pool_share

_PROVIDER = "providers: {sim: {dialect: openai, base_url: 'http://127.0.0.1:9/v1'}}\n"


def store(text: str) -> StoreSettings:
    return parse_settings(f"{_PROVIDER}store: {text}", {}, "headrace.yaml").store


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{replicas: ['postgresql://:hush@h/d']}", "store.replicas: expected none while store.url"),
        (
            "{url: 'postgresql://h/d', replicas: ['postgresql://h', 'mysql://:hush@h']}",
            "number 1 does not",
        ),
        ("{url: 'postgresql://h', replica_lag_s_max: 0}", "store.replica_lag_s_max"),
        ("{pool_size: 0}", "store.pool_size"),
    ],
)
def test_what_cannot_be_is_told_without_a_password(text: str, problem: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        store(text)
    assert problem in refused.value.message
    assert "hush" not in refused.value.message


def test_standbys_are_those_of_a_postgresql_server() -> None:
    found = store("{url: 'postgresql://h/d', replicas: ['postgresql://i/d', 'postgres://j/d']}")
    assert len(found.replicas) == 2


@pytest.mark.parametrize(
    ("text", "cores", "workers", "share"),
    [
        ("{}", 2, 1, 5),
        ("{}", 8, 4, 4),
        ("{spindles: 4}", 8, 1, 20),
        ("{}", 2, 8, 2),
        ("{pool_size: 40}", 2, 4, 10),
        ("{pool_size: 1}", 2, 4, 1),
    ],
)
def test_connections_go_by_cores_and_spindles_and_are_shared_by_workers(
    text: str, cores: int, workers: int, share: int
) -> None:
    assert pool_share(store(text), cores, workers) == share

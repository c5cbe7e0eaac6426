"""The copy of keys on disk: private, whole, of one store, and never in the way."""

import json
import resource
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from headrace.identity.key_mirror import MIRROR_FILE, KeyMirror, store_name
from headrace.identity.key_records import EndedSession, KeyRecord, KeysSeen, KeyTerms

RECORD = KeyRecord(
    id="key_1",
    name="app",
    tenant="acme",
    digest="ab" * 32,
    terms=KeyTerms(models=("gpt*",), day_usd=1.5),
    created_s=1.25,
    expires_s=9.5,
)
RECORD_TOLD = msgspec.to_builtins(RECORD)
WHOLE = {"version": 1, "store": "store", "change": 1, "had_keys": True}
SEEN = KeysSeen((RECORD,), 7, had_keys=True, ended=(EndedSession("s", "ab" * 32, 9.0),))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    mirror = KeyMirror(tmp_path / "new" / "folder", "store")
    assert mirror.read() is None
    mirror.write(SEEN)
    assert mirror.read() == SEEN
    assert stat.S_IMODE(mirror.path.stat().st_mode) == 0o600
    assert [path.name for path in mirror.path.parent.iterdir()] == [MIRROR_FILE]


def test_a_copy_that_others_could_read_is_private_once_it_is_written(tmp_path: Path) -> None:
    mirror = KeyMirror(tmp_path, "store")
    mirror.path.write_text("{}")
    mirror.path.chmod(0o644)
    mirror.write(SEEN)
    assert stat.S_IMODE(mirror.path.stat().st_mode) == 0o600


def test_a_copy_of_another_store_counts_as_none(tmp_path: Path) -> None:
    KeyMirror(tmp_path, "one").write(SEEN)
    assert KeyMirror(tmp_path, "other").read() is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"version": 1}',
        b'{"version":2,"store":"store","change":1,"had_keys":true,"keys":[]}',
        b'{"version":1,"store":"store","change":1,"had_keys":true,"keys":[{"id":1}]}',
        msgspec.json.encode({**WHOLE, "keys": [{**RECORD_TOLD, "digest": "no digest"}]}),
        b'{"a":' * 100_000,
    ],
)
def test_what_is_damaged_counts_as_none(tmp_path: Path, content: bytes) -> None:
    mirror = KeyMirror(tmp_path, "store")
    mirror.path.write_bytes(content)
    assert mirror.read() is None
    mirror.write(SEEN)
    assert mirror.read() == SEEN


def test_a_copy_cut_off_anywhere_counts_as_none(tmp_path: Path) -> None:
    mirror = KeyMirror(tmp_path, "store")
    mirror.write(SEEN)
    whole = mirror.path.read_bytes()
    for length in range(len(whole)):
        mirror.path.write_bytes(whole[:length])
        assert mirror.read() is None


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    mirror = KeyMirror(tmp_path, "store")
    mirror.write(SEEN)
    _, most = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, most))
    try:
        with pytest.raises(OSError, match="too large"):
            mirror.write(KeysSeen((), 8, had_keys=True))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert mirror.read() == SEEN
    assert list(tmp_path.iterdir()) == [mirror.path]


def test_several_that_write_at_once_leave_one_that_is_whole(tmp_path: Path) -> None:
    """As gateways do that have one process number, each in a container of its own."""
    mirror = KeyMirror(tmp_path, "store")
    seen = [SEEN, KeysSeen((), 8, had_keys=True)]
    with ThreadPoolExecutor(4) as threads:
        writes = [threads.submit(mirror.write, each) for _ in range(25) for each in seen]
        for write in writes:
            write.result()
            assert mirror.read() in seen
    assert list(tmp_path.iterdir()) == [mirror.path]


def test_it_holds_digests_and_no_password(tmp_path: Path) -> None:
    mirror = KeyMirror(tmp_path, store_name("postgresql://user:hunter2@host/db"))
    mirror.write(SEEN)
    assert "hunter2" not in mirror.path.read_text()
    assert set(json.loads(mirror.path.read_text())) == {
        "version",
        "store",
        "change",
        "had_keys",
        "keys",
        "ended",
    }


def test_stores_are_told_apart_and_passwords_make_no_other() -> None:
    urls = ("sqlite", "postgresql://a@h/db", "postgresql://a@h/db2", "postgresql://a@h2/db")
    assert len({store_name(url) for url in urls}) == len(urls)
    assert store_name("postgresql://a:one@h/db") == store_name("postgresql://a:two@h/db")

"""Who is taken for dead, and when."""

from pathlib import Path

from headrace.jobs.liveness import LifeLock, Watch, is_free
from headrace.jobs.shift import Fellow


def fellow(name: str, beats: int, beat_s: float = 0.0) -> Fellow:
    return Fellow(name, "host", "default", 0.0, beat_s, beats)


def dead(watch: Watch, now_s: float, *fellows: Fellow) -> list[str]:
    return [each.id for each in watch.dead(fellows, now_s)]


def test_beats_that_stand_still_for_a_lease_are_death(tmp_path: Path) -> None:
    watch = Watch(tmp_path, 10.0, "me")
    assert dead(watch, 0.0, fellow("a", 5), fellow("b", 5)) == []
    assert dead(watch, 9.0, fellow("a", 5), fellow("b", 6)) == []
    assert dead(watch, 10.5, fellow("a", 5), fellow("b", 6)) == ["a"]
    assert dead(watch, 19.5, fellow("b", 6)) == ["b"]


def test_a_wall_clock_that_jumps_kills_nobody(tmp_path: Path) -> None:
    watch = Watch(tmp_path, 10.0, "me")
    for now_s, wall_s in [(0.0, 1e9), (5.0, 2e9), (10.0, 0.0), (15.0, 3e9)]:
        assert dead(watch, now_s, fellow("a", int(now_s), wall_s)) == []


def test_whoever_looks_is_alive(tmp_path: Path) -> None:
    watch = Watch(tmp_path, 10.0, "me")
    assert dead(watch, 0.0, fellow("me", 1)) == []
    assert dead(watch, 100.0, fellow("me", 1)) == []


def test_one_that_was_given_up_is_dead_at_once(tmp_path: Path) -> None:
    assert dead(Watch(tmp_path, 10.0, "me"), 0.0, fellow("a", -1)) == ["a"]


def test_a_lock_that_is_free_is_death_at_once(tmp_path: Path) -> None:
    watch = Watch(tmp_path, 10.0, "me")
    lock = LifeLock(tmp_path, "a")
    assert not is_free(tmp_path / "a")
    assert dead(watch, 0.0, fellow("a", 1)) == []
    (tmp_path / "b").touch()  # as it stays behind where a process was killed
    assert dead(watch, 0.0, fellow("a", 1), fellow("b", 1)) == ["b"]
    watch.clear([fellow("a", 1), fellow("b", 1)])
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()
    lock.release()
    assert not (tmp_path / "a").exists()

"""A gateway that is gone is told from one that lives, by a lock that the system lets go of."""

import os
import signal
from pathlib import Path

from headrace.server.life_file import LifeFile


def test_who_lives_is_not_dead_and_who_never_was_is_not_known(tmp_path: Path) -> None:
    one, two = LifeFile(tmp_path, "one"), LifeFile(tmp_path, "two")
    assert one.dead(["one", "two", "three", "../one", ""]) == set()
    assert two.dead(["one", "two"]) == set()


def test_it_lives_as_long_as_any_of_its_processes(tmp_path: Path) -> None:
    watcher = LifeFile(tmp_path, "watcher")
    ready, told = os.pipe()
    parent = os.fork()
    if not parent:
        LifeFile(tmp_path, "other")
        child = os.fork()
        if not child:
            signal.pause()
        os.write(told, f"{child}\n".encode())
        signal.pause()
        os._exit(0)
    child = int(os.read(ready, 20))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert watcher.dead(["other"]) == set()
    os.kill(child, signal.SIGKILL)
    while not watcher.dead(["other"]):  # it is not ours to wait for
        pass
    assert watcher.dead(["other"]) == set()  # told once; its file is gone


def test_who_ends_as_it_should_leaves_nothing(tmp_path: Path) -> None:
    life = LifeFile(tmp_path, "one")
    life.remove()
    assert list((tmp_path / "gateways").iterdir()) == []


def test_where_there_is_no_place_for_it_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    life = LifeFile(tmp_path / "file", "one")
    assert life.dead(["two"]) == set()

"""The door: what can be opened, what it costs to look at it, and where data is by default."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.test_import_cost import ROOT, costly, loaded_by

from headrace.errors import SettingsInvalid
from headrace.settings.places import default_data_dir
from headrace.store.open import CACHE_FILE, open_store
from headrace.store.sqlite_ways import version_problem


def test_opening_touches_nothing(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path / "data")
    assert store.name == str(tmp_path / "data" / CACHE_FILE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["", "mysql://a/b", "sqlite:///file", "file", "http://a"])
def test_other_urls_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsInvalid, match="sqlite or a URL"):
        open_store(url, tmp_path)


def test_a_url_that_cannot_be_read_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        open_store("postgresql://user:hunter2@host:port/name", tmp_path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_the_password_is_not_in_the_name(tmp_path: Path, scheme: str) -> None:
    if scheme == "postgresql+psycopg":
        with pytest.raises(SettingsInvalid):
            open_store(f"{scheme}://user:hunter2@host/name", tmp_path)
        return
    assert open_store(f"{scheme}://user:hunter2@host/name", tmp_path).name == "host:5432/name"


def test_knowing_the_door_and_the_tier_loads_no_driver() -> None:
    loaded = loaded_by("import headrace.store.open, headrace.cache.durable")
    assert {"sqlalchemy", "psycopg", "sqlite3"}.isdisjoint(loaded)


def test_sqlite_needs_no_driver_of_postgresql() -> None:
    statement = "import pathlib; from headrace.store.open import open_store"
    opening = "open_store('sqlite', pathlib.Path('nowhere'))"
    assert "psycopg" not in costly(loaded_by(f"{statement}; {opening}"))


@pytest.mark.parametrize(
    ("package", "url", "extra"),
    [
        ("sqlalchemy", "sqlite", "store"),
        ("sqlalchemy", "postgresql://h/n", "postgres"),
        ("psycopg", "postgresql://h/n", "postgres"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(package: str, url: str, extra: str) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from pathlib import Path\n"
        "from headrace.errors import SettingsInvalid\n"
        "from headrace.store.open import open_store\n"
        "try:\n"
        f"    open_store({url!r}, Path('nowhere'))\n"
        "except SettingsInvalid as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    assert package in done.stdout
    assert f"headrace[{extra}]" in done.stdout, done.stderr


def test_an_old_sqlite_is_told_so() -> None:
    assert version_problem((3, 35, 0)) is None
    assert "3.34.1, and 3.35.0 is needed" in (version_problem((3, 34, 1)) or "")


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, "/u/ann/.local/state/headrace"),
        ({"XDG_STATE_HOME": "/s"}, "/s/headrace"),
        ({"XDG_STATE_HOME": "relative"}, "/u/ann/.local/state/headrace"),
        ({"XDG_STATE_HOME": ""}, "/u/ann/.local/state/headrace"),
        ({"STATE_DIRECTORY": "/var/lib/headrace", "XDG_STATE_HOME": "/s"}, "/var/lib/headrace"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a"),
    ],
)
def test_where_data_is_by_default(environment: dict[str, str], wanted: str) -> None:
    assert default_data_dir(environment, Path("/u/ann")) == Path(wanted)

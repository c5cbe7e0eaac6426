"""Times that `headrace keys` takes, and those that it does not."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace.cli.main import app


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--expires", "0s"),
        ("create", "--expires", "0d"),
        ("rotate", "a", "--grace", "never"),
        ("rotate", "a", "--grace", "soon"),
    ],
)
def test_a_time_that_would_mean_the_opposite_is_refused(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    result = CliRunner().invoke(app, ["keys", *arguments, "--data-dir", str(tmp_path)])
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])


@pytest.mark.parametrize(("said", "ends"), [("never", False), ("1d", True)])
def test_a_key_lives_as_long_as_is_said(tmp_path: Path, said: str, ends: bool) -> None:
    arguments = ["keys", "create", "--name", "a", "--expires", said, "--json"]
    result = CliRunner().invoke(app, [*arguments, "--data-dir", str(tmp_path)])
    assert result.exit_code == 0
    assert ('"expires_at": null' in result.stdout) is not ends
    rotated = ["keys", "rotate", "a", "--grace", "0s", "--data-dir", str(tmp_path)]
    assert CliRunner().invoke(app, rotated).exit_code == 0

"""The command line that a report shows has no key in it."""

import pytest

from headrace.cli.profile import _told_command


@pytest.mark.parametrize(
    "arguments",
    [
        ["profile", "--admin-key", "sk-secret", "--seconds", "3"],
        ["profile", "--admin-key=sk-secret", "--seconds", "3"],
        ["profile", "--seconds", "3", "--admin-key", "sk-secret"],
    ],
)
def test_the_key_is_left_out(arguments: list[str]) -> None:
    assert _told_command(arguments) == "headrace profile --seconds 3"

"""What verdicts need beyond the core."""

from importlib.util import find_spec

from headrace.errors import SettingsInvalid


def require() -> None:
    """Make sure that verdicts can be told, before anything is measured for them.

    Raises:
        SettingsInvalid: a package is not installed.
    """
    if find_spec("numpy") is None:
        raise SettingsInvalid(
            "verdicts are computed with numpy, which is not installed: "
            "pip install 'headrace[bench]'"
        )

from pathlib import Path

from headrace.cli.serve import override
from headrace.settings import ListenSettings, ProviderSettings, Settings

SETTINGS = Settings(
    providers={"a": ProviderSettings(dialect="openai", base_url="http://127.0.0.1:9/v1")},
    listen=ListenSettings(host="::1", port=9, workers=2, connections_max=7),
    data_dir="/a",
)


def test_options_win_over_the_file() -> None:
    settings = override(SETTINGS, host="127.0.0.1", port=0, workers=1, data_dir=Path("/b"))
    assert settings.listen == ListenSettings(host="127.0.0.1", port=0, workers=1, connections_max=7)
    assert settings.data_dir == "/b"
    assert settings.providers == SETTINGS.providers


def test_options_left_out_change_nothing() -> None:
    assert override(SETTINGS, host=None, port=None, workers=None, data_dir=None) == SETTINGS

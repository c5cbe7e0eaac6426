"""Settings as they are told: what is set, and no secret."""

import json

from headrace.console.settings import told
from headrace.settings import Settings, parse_settings

TEXT = """
listen: {port: 9000}
providers:
  one:
    dialect: openai
    base_url: http://127.0.0.1:1/v1
    api_key: sk-hidden-1
    headers: {x-secret: hidden-2}
store: {url: "postgresql://me:hidden-3@127.0.0.1/db"}
keys:
  - {key: hidden-4, tenant: app}
  - {digest: DIGEST, tenant: other}
""".replace("DIGEST", "ab" * 32)


def by_path(settings: Settings) -> dict[str, tuple[str, bool]]:
    return {each["path"]: (each["value"], each["is_set"]) for each in told(settings)}


def test_no_secret_is_told():
    text = json.dumps(told(parse_settings(TEXT, {})))
    assert "hidden" not in text
    assert "abab" not in text


def test_what_is_set_is_told_apart_from_what_is_as_usual():
    settings = by_path(parse_settings(TEXT, {}))
    assert settings["listen.port"] == ("9000", True)
    assert settings["listen.workers"] == ("1", False)
    assert settings["providers.one.api_key"] == ("***", True)
    assert settings["providers.one.headers.x-secret"] == ("***", True)
    assert settings["providers.one.retry.tries_max"] == ("3", False)
    assert settings["store.url"] == ("***", True)
    assert settings["keys[0].key"] == ("***", True)
    assert settings["keys[1].digest"] == ("***", True)
    assert settings["keys[0].admin"] == ("false", False)

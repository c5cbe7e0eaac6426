"""What settings say of themselves: secrets, origins, notices, the environment, who may listen."""

import pickle

import msgspec
import pytest

from headrace.errors import SettingsInvalid
from headrace.settings import (
    CacheSettings,
    KeySettings,
    ListenSettings,
    ModelSettings,
    Origin,
    ProviderSettings,
    Secret,
    Settings,
    StoreSettings,
    check_journal,
    check_listen,
    from_environment,
    notices,
    parse_settings,
)
from headrace.settings.environment import KNOWN_PROVIDERS
from headrace.settings.ledger import LedgerSettings
from headrace.settings.targets import TargetSettings
from headrace.settings.values import parse_origin

LOCAL = {"local": ProviderSettings(dialect="openai", base_url="http://127.0.0.1:9100/v1")}


@pytest.mark.parametrize(
    ("url", "origin", "authority"),
    [
        ("https://api.openai.com/v1", ("https", "api.openai.com", 443, "/v1"), "api.openai.com"),
        ("http://H:8080/v1/", ("http", "h", 8080, "/v1"), "h:8080"),
        ("http://h:80", ("http", "h", 80, ""), "h"),
        ("https://[::1]:8443/a/b", ("https", "::1", 8443, "/a/b"), "[::1]:8443"),
    ],
)
def test_an_origin_is_taken_out_of_the_base_url(
    url: str, origin: tuple[str, str, int, str], authority: str
) -> None:
    read = ProviderSettings(dialect="openai", base_url=url).origin
    assert msgspec.structs.astuple(read) == origin
    assert read.authority == authority
    assert read.is_tls == (origin[0] == "https")


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("https://api.anthropic.com", "/v1"),
        ("https://api.anthropic.com/", "/v1"),
        ("https://api.anthropic.com/v1", "/v1"),
        ("http://h/anthropic", "/anthropic/v1"),
        ("http://h/anthropic/v1/", "/anthropic/v1"),
    ],
)
def test_anthropic_origins_are_versioned(url: str, prefix: str) -> None:
    origin = parse_origin(url, "anthropic")
    assert isinstance(origin, Origin)
    assert origin.prefix == prefix


@pytest.mark.parametrize(
    "url",
    ["", "h", "//h", "http:h", "http://", "http://h:0", "http://h:x", "http://[::1", "http://h h"],
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_origin(url, "openai")


def test_secrets_do_not_print() -> None:
    secret = Secret("sesame")
    settings = Settings(
        providers={
            "a": ProviderSettings(
                dialect="openai", base_url="http://h", api_key=secret, headers={"x": secret}
            )
        },
        keys=(KeySettings(key=secret, tenant="t"),),
        store=StoreSettings(url=secret, replicas=(secret,)),
        cache=CacheSettings(shared=secret),
    )
    assert "sesame" not in f"{settings!r} {settings} {secret} {secret!r} {[secret]}"
    assert secret.reveal() == "sesame"
    with pytest.raises(TypeError):
        msgspec.json.encode(settings)
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301
    assert secret != Secret("other")
    assert len({secret, Secret("sesame")}) == 1


def test_notices_name_what_has_no_effect() -> None:
    assert notices(Settings(providers=LOCAL)) == ()
    settings = Settings(
        providers=LOCAL,
        models={
            "m": ModelSettings(
                targets=(
                    TargetSettings(target="local/a"),
                    TargetSettings(target="local/b", weight=3, on=("denied",)),
                ),
            ),
            "n": ModelSettings(
                targets=(TargetSettings(target="local/a", weight=2),), balance="weighted"
            ),
        },
        cache=CacheSettings(shared=Secret("redis://h")),
    )
    assert [notice.split(" has no effect")[0] for notice in notices(settings)] == [
        "models.m.targets[1].weight",
        "models.n.balance, for fewer than two targets without `on`,",
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_loopback_may_be_open(host: str) -> None:
    check_listen(Settings(providers=LOCAL, listen=ListenSettings(host=host)))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway.local", "127.0.0.1.nip.io"])
def test_others_may_listen_with_keys_only(host: str) -> None:
    settings = Settings(providers=LOCAL, listen=ListenSettings(host=host))
    with pytest.raises(SettingsInvalid, match=r"no keys are set.*HEADRACE_KEY.*127\.0\.0\.1"):
        check_listen(settings)
    keys = (KeySettings(key=Secret("k"), tenant="t"),)
    check_listen(msgspec.structs.replace(settings, keys=keys))


def test_the_usual_variables_make_providers() -> None:
    settings = from_environment(
        {
            "OPENAI_API_KEY": "sk-1",
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:9100",
            "GEMINI_API_KEY": "g",
            "GROQ_API_KEY": "",
            "HEADRACE_KEY": "mine",
            "PATH": "/bin",
        }
    )
    assert list(settings.providers) == ["openai", "anthropic", "gemini"]
    openai, anthropic = settings.providers["openai"], settings.providers["anthropic"]
    assert openai.base_url == "https://api.openai.com/v1"
    assert openai.api_key == Secret("sk-1")
    assert anthropic.dialect == "anthropic"
    assert anthropic.api_key is None
    assert anthropic.origin == Origin("http", "127.0.0.1", 9100, "/v1")
    assert settings.keys == (KeySettings(key=Secret("mine"), tenant="default"),)


@pytest.mark.parametrize("known", KNOWN_PROVIDERS, ids=lambda known: known.name)
def test_every_known_provider_has_a_usable_origin(known: object) -> None:
    name = known.name  # type: ignore[attr-defined]
    settings = from_environment({f"{name.upper()}_API_KEY": "k"})
    assert list(settings.providers) == [name]
    origin = settings.providers[name].origin
    assert origin.is_tls
    assert not origin.prefix.endswith("/")
    assert settings.keys == ()


def test_nothing_set_says_what_to_do() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        from_environment({"OPENAI_API_KEY": ""})
    for words in ("OPENAI_API_KEY", "XAI_API_KEY", "--config", "providers:", "headrace demo"):
        assert words in caught.value.message


def test_every_bad_variable_is_named_without_its_value() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        from_environment(
            {
                "OPENAI_API_KEY": "sesame\n",
                "XAI_BASE_URL": "https://sesame@h",
                "HEADRACE_KEY": "sesame key",
            }
        )
    names = [line.split(":")[0] for line in caught.value.message.split("\n")]
    assert names == ["OPENAI_API_KEY", "XAI_BASE_URL", "HEADRACE_KEY"]
    assert "sesame" not in caught.value.message


@pytest.mark.parametrize(
    ("reuse", "complaint"),
    [
        ("{ttl_s_min: 60}", "expected both or neither"),
        ("{ttl_s_max: 60}", "expected both or neither"),
        ("{ttl_s_min: 60, ttl_s_max: 30}", "expected at most ttl_s_max (30)"),
        ("{ttl_s_min: 60, ttl_s_max: -1}", "ttl_s_max"),
    ],
)
def test_the_bounds_of_a_stay_go_together(reuse: str, complaint: str) -> None:
    provider = "providers: {a: {dialect: openai, base_url: http://h/v1}}\n"
    with pytest.raises(SettingsInvalid) as caught:
        parse_settings(f"{provider}cache: {{reuse: {reuse}}}", {}, "h.yaml")
    assert complaint in str(caught.value)
    assert str(caught.value).count("h.yaml:") == 1


def test_each_worker_has_room_in_the_journal() -> None:
    small = LedgerSettings(journal_mb_max=31)
    with pytest.raises(SettingsInvalid, match=r"journal_mb_max is 31, and 4 workers"):
        check_journal(small, 4)
    check_journal(small, 3)
    check_journal(LedgerSettings(journal_mb_max=31, enabled=False), 4)

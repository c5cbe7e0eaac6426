"""Whatever is in a settings file, it is read or refused in words, and no secret gets out."""

from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.errors import SettingsInvalid
from headrace.settings import Secret, Settings, parse_settings
from headrace.settings.references import expand, mask, unmask
from headrace.settings.targets import PriceSettings

SECRET = "sesame-4711"

KEYS = st.one_of(
    st.sampled_from(("listen", "host", "port", "tls", "cert", "store", "url", "cache", "<<")),
    st.sampled_from(("providers", "a", "dialect", "base_url", "api_key", "headers", "models")),
    st.sampled_from(("targets", "price", "input", "output", "keys", "key", "digest", "tenant")),
    st.sampled_from(("log", "format", "level", "data_dir", "ca_file", "semantic", "enabled")),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["openai", "http://h", "a/b", "${A}", "${B:-x}", "${", "off", "1"]),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
WORDS = st.from_regex(r"[!-~]{1,12}", fullmatch=True).filter(lambda word: "${" not in word)
TEXTS = st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF), min_size=1, max_size=12).filter(
    lambda text: "${" not in text and text.isprintable() and bool(text.strip())
)
SECONDS = st.floats(min_value=0.001, max_value=3600.0)


@settings(deadline=None)  # how long it takes depends on the machine
@given(st.text(max_size=200) | TREES.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True)))
@example("&a [*a]")
@example("&a {keys: *a}")
@example("keys: &a [*a, {<<: *a}]")
@example("%YAML " + "9" * 5000 + ".1\n---\na")
@example('"\\UFFFFFFFF"')
@example("[" * 3000)
@example("? " * 3000)
def test_any_document_is_read_or_refused_in_words(text: str) -> None:
    try:
        read = parse_settings(text, {"A": "1"}, "f")
    except SettingsInvalid as refusal:
        for line in refusal.message.split("\n"):
            name, at, column, message = line.split(":", 3)
            assert (name, bool(message.strip())) == ("f", True)
            assert int(at) >= 1
            assert int(column) >= 1
    else:
        assert isinstance(read, Settings)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    providers = draw(
        st.dictionaries(
            NAMES,
            st.fixed_dictionaries(
                {
                    "dialect": st.sampled_from(["openai", "anthropic"]),
                    "base_url": st.sampled_from(
                        ["http://h", "https://[::1]:8/a", "https://a.b/v1"]
                    ),
                },
                optional={
                    "api_key": WORDS | st.none(),
                    "headers": st.dictionaries(st.just("x-a"), WORDS),
                    "verify": st.booleans(),
                    "keepalive_s": SECONDS,
                    "warm_connections": st.integers(0, 8),
                },
            ),
            min_size=1,
            max_size=3,
        )
    )
    targets = st.tuples(st.sampled_from(sorted(providers)), WORDS).map("/".join)
    prices = st.fixed_dictionaries(
        {"input": SECONDS, "output": SECONDS, "cached": st.none() | SECONDS}
    )
    model = st.fixed_dictionaries(
        {"targets": st.lists(targets, min_size=1, max_size=3)},
        optional={"fallback_text": TEXTS, "price": prices | st.none()},
    )
    key = st.fixed_dictionaries(
        {"key": WORDS, "tenant": TEXTS}, optional={"name": TEXTS, "admin": st.booleans()}
    )
    return {
        "providers": providers,
        "models": draw(st.dictionaries(WORDS.filter(lambda word: word != "<<"), model, max_size=2)),
        "listen": {"port": draw(st.integers(0, 65535)), "host": draw(TEXTS)},
        "cache": {"enabled": draw(st.booleans()), "ignore": draw(st.lists(TEXTS, max_size=2))},
        "keys": draw(st.lists(key, max_size=3, unique_by=lambda key: key["key"])),
        "data_dir": draw(st.none() | TEXTS),
    }


def as_document(value: object) -> Any:
    """`value` as what a file would hold."""

    def revealed(secret: object) -> str:
        assert isinstance(secret, Secret)
        return secret.reveal()

    return msgspec.to_builtins(value, enc_hook=revealed)


@settings(max_examples=40)  # each is a whole file, written and parsed
@given(documents(), st.sampled_from([None, True, False]))
def test_settings_survive_the_round_trip(document: dict[str, Any], flow: bool | None) -> None:
    def written(document: Any) -> str:
        return yaml.safe_dump(
            document, default_flow_style=flow, allow_unicode=True, sort_keys=False
        )

    read = parse_settings(written(document), {})
    assert read.listen.port == document["listen"]["port"]
    assert read.listen.host == document["listen"]["host"]
    assert read.data_dir == document["data_dir"]
    assert [key.tenant for key in read.keys] == [key["tenant"] for key in document["keys"]]
    for name, model in document["models"].items():
        assert [each.target for each in read.models[name].targets] == model["targets"]
        price = model.get("price")
        assert read.models[name].price == (None if price is None else PriceSettings(**price))
    whole = as_document(read)
    for key in whole["keys"]:
        del key["digest"]
    assert parse_settings(written(whole), {}) == read


SPOTS = (
    ("providers", "a", "api_key"),
    ("providers", "a", "headers"),
    ("providers", "a", "headers", "x"),
    ("providers", "a"),
    ("providers",),
    ("keys",),
    ("keys", 0),
    ("keys", 0, "key"),
    ("store", "url"),
    ("store", "replicas"),
    ("cache", "shared"),
)
WRAPPED = st.recursive(
    st.sampled_from([SECRET, SECRET + "\n", f" {SECRET}", f"{SECRET}é"]),
    lambda inner: st.lists(inner, min_size=1, max_size=2),
    max_leaves=3,
)


@settings(max_examples=40)  # each is a whole file, written and parsed
@given(documents(), st.sampled_from(SPOTS), WRAPPED, st.booleans())
def test_no_secret_gets_out(
    document: dict[str, Any], spot: tuple[str | int, ...], wrapped: object, is_flow: bool
) -> None:
    document["providers"]["a"] = {"dialect": "openai", "base_url": "nope", "headers": {}}
    document["keys"] = [{"tenant": "t"}]
    document["store"] = {}
    place: Any = document
    for part in spot[:-1]:
        place = place[part]
    place[spot[-1]] = wrapped
    text = yaml.safe_dump(document, default_flow_style=is_flow, allow_unicode=True)
    with pytest.raises(SettingsInvalid) as caught:
        parse_settings(text, {})
    assert SECRET not in caught.value.message
    assert SECRET not in repr(caught.value.__cause__)


@settings(deadline=None)  # how long it takes depends on the machine
@given(
    st.text(st.characters(max_codepoint=0xFFFF)) | st.from_regex(r"(\$?\$\{A(:-[^}]{0,4})?\}.?)+")
)
def test_masking_is_undone_and_moves_nothing(text: str) -> None:
    masked = mask(text)
    assert len(masked) == len(text)
    assert unmask(masked) == text


@settings(deadline=None)  # how long it takes depends on the machine
@given(st.text(max_size=20))
def test_an_environment_value_is_taken_as_it_is(value: str) -> None:
    assert expand("<${A}>", {"A": value}).value == f"<{value}>"
    assert expand("<${A:-d}>", {"A": value}).value == f"<{value or 'd'}>"

"""Reading a settings file: what it sets, and how mistakes are told."""

from pathlib import Path

import pytest
import trustme

from headrace.errors import SettingsInvalid
from headrace.settings import Secret, Settings, load_settings, parse_settings
from headrace.settings.targets import PriceSettings

ONE_PROVIDER = "providers: {a: {dialect: openai, base_url: 'http://127.0.0.1:9/v1'}}\n"

CONTRACT = """\
listen: {host: 127.0.0.1, port: 8080, workers: 1}
providers:
  openai: {dialect: openai, base_url: https://api.openai.com/v1, api_key: ${OPENAI_API_KEY}}
  local:  {dialect: openai, base_url: http://127.0.0.1:9100/v1}
models:
  fast:  {targets: [openai/gpt-4o-mini]}
  smart: {targets: [openai/gpt-4o, local/sim-large], fallback_text: "Please try again."}
cache:    {memory_mb: 500, ttl_s: 3600, shared: ${VALKEY_URL:-}, durable: true}
store:    {url: sqlite, replicas: []}          # or postgresql://...
keys:
  - {key: ${APP_KEY}, tenant: app}
"""


def read(text: str, **environment: str) -> Settings:
    return parse_settings(text, environment, "f.yaml")


def problems(text: str, **environment: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        read(text, **environment)
    return caught.value.message.split("\n")


def problem(text: str, **environment: str) -> str:
    [one] = problems(text, **environment)
    return one


def test_the_contract_file_is_read() -> None:
    settings = read(CONTRACT, OPENAI_API_KEY="sk-1", APP_KEY="app-1")
    assert settings.providers["openai"].api_key == Secret("sk-1")
    assert settings.providers["local"].api_key is None
    targets = [each.target for each in settings.models["smart"].targets]
    assert targets == ["openai/gpt-4o", "local/sim-large"]
    assert settings.models["smart"].fallback_text == "Please try again."
    assert settings.cache.shared is None
    assert settings.cache.durable
    assert settings.store.url == Secret("sqlite")
    assert settings.keys[0].key == Secret("app-1")


def test_what_is_left_out_or_empty_has_its_default() -> None:
    settings = read(ONE_PROVIDER + "listen:\ncache:\nkeys:\nlog:\nmodels:\n")
    assert settings == Settings(providers=settings.providers)
    assert settings.listen.tls is None
    assert settings.cache.ttl_s == 3600


def test_every_problem_is_reported_at_once_with_its_place() -> None:
    text = (
        "listen:\n"
        "  prt: 1\n"
        "  workers: many\n"
        "providers:\n"
        "  a: {dialect: opnai, base_url: 'http://h'}\n"
        "  b: {base_url: 'ftp://h'}\n"
        "models:\n"
        "  m: {targets: [c/x]}\n"
        "log: nothing\n"
    )
    assert problems(text) == [
        "f.yaml:2:3: listen: unknown key 'prt'; did you mean port?",
        "f.yaml:3:12: listen.workers: expected a whole number, found 'many'",
        "f.yaml:5:16: providers.a.dialect: expected one of anthropic, openai, found 'opnai'; "
        "did you mean openai?",
        "f.yaml:6:6: providers.b: the key dialect is missing: expected one of anthropic, openai",
        "f.yaml:6:17: providers.b.base_url: expected a URL that begins with http:// or https://",
        "f.yaml:8:17: models.m.targets[0]: unknown provider 'c'; "
        "it must be one of those under providers",
        "f.yaml:9:6: log: expected a mapping with format, file, level, found 'nothing'",
    ]


@pytest.mark.parametrize(
    ("line", "place", "words"),
    [
        ("listen: {port: 65536}", "2:16: listen.port", "at most 65535, found '65536'"),
        ("listen: {port: -1}", "2:16: listen.port", "at least 0"),
        ("listen: {port: '80'}", "2:16: listen.port", "whole number, found '80'"),
        ("listen: {port: 8.5}", "2:16: listen.port", "whole number, found '8.5'"),
        ("listen: {port: }", "2:15: listen.port", "whole number, found nothing"),
        ("listen: {port: [1]}", "2:16: listen.port", "whole number, found a list"),
        ("listen: {port: 1" + "0" * 5000 + "}", "2:16: listen.port", "whole number"),
        ("listen: {connections_max: 0}", "2:27: listen.connections_max", "at least 1"),
        ("listen: {idle_timeout_s: 0}", "2:26: listen.idle_timeout_s", "more than 0"),
        ("listen: {idle_timeout_s: .inf}", "2:26: listen.idle_timeout_s", "expected a number"),
        ("listen: {idle_timeout_s: 1e999}", "2:26: listen.idle_timeout_s", "expected a number"),
        ("listen: {host: }", "2:15: listen.host", "text, found nothing"),
        ("listen: {host: ''}", "2:16: listen.host", "not empty"),
        ("listen: {cors_origins: a}", "2:24: listen.cors_origins", "a list, found 'a'"),
        ("listen: {cors_origins: [a]}", "2:25: listen.cors_origins[0]", "an origin"),
        ("cache: {enabled: 1}", "2:18: cache.enabled", "true or false, found '1'"),
        ("cache: {ttl_s: 9, ttl_s_max: 8}", "2:16: cache.ttl_s", "at most ttl_s_max (8)"),
        ("cache: {entry_kb_max: 2048, memory_mb: 1}", "2:23: cache.entry_kb_max", "memory_mb"),
        ("cache: {temperature_max: -1}", "2:26: cache.temperature_max", "at least 0"),
        ("models: {m: {targets: []}}", "2:23: models.m.targets", "at least 1"),
        ("models: {m: {targets: [a]}}", "2:24: models.m.targets[0]", "provider/model"),
        ("models: {m: {targets: [aa/x]}}", "2:24: models.m.targets[0]", "did you mean a?"),
        ("models: {m: {targets: [{target: aa/x}]}}", "2:33: models.m.targets[0].target", "mean a?"),
        ("models: {m: {targets: [{target: a/x, on: [open]}]}}", "2:42: models.m", "first"),
        ("models: {m: {targets: [a/x, {target: a/y, on: [late]}]}}", "2:48: models.m", "one of"),
        ("models: {m: {targets: [[a/x]]}}", "2:24: models.m.targets[0]", "found a list"),
        ("models: {'m m': {targets: [a/x]}}", "2:10: models", "without spaces"),
        ("models: {m: {targets: [a/x], price: {input: 1}}}", "2:37: models.m.price", "output"),
        (
            "models: {m: {targets: [a/x], price: {input: 1, output: -1}}}",
            "2:56: models.m.price.output",
            "at least 0",
        ),
        ("keys: [{tenant: t}]", "2:8: keys[0]", "found neither"),
        ("keys: [{key: '', tenant: t}]", "2:14: keys[0].key", "expected a key"),
        ("keys: [{key: , tenant: t}]", "2:8: keys[0]", "found neither"),
        ("keys: [{key: ${UNSET:-}, tenant: t}]", "2:8: keys[0]", "found neither"),
        ("keys: [{key: k}]", "2:8: keys[0]", "the key tenant is missing"),
        ("keys: [{digest: abc, tenant: t}]", "2:17: keys[0].digest", "64 hexadecimal digits"),
        ("keys: [{key: k, tenant: t}, {key: k, tenant: u}]", "2:29: keys[1]", "keys[0]"),
        (
            f"keys: [{{key: k, digest: {'a' * 64}, tenant: t}}]",
            "2:8: keys[0]",
            "either key or digest",
        ),
        ("data_dir: [a]", "2:11: data_dir", "a text, found a list"),
        ('data_dir: "a\\0"', "2:11: data_dir", "no text"),
        ('data_dir: "\\ud800"', "2:11: data_dir", "no text"),
        ("? [a]\n: 1", "2:3", "a key must be a text"),
        ("log: {level: info, level: info}", "2:20", "'level' is written twice"),
    ],
)
def test_a_mistake_is_told_with_line_and_expectation(line: str, place: str, words: str) -> None:
    message = problem(ONE_PROVIDER + line)
    assert message.startswith(f"f.yaml:{place}")
    assert words in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml:1:1: the key providers is missing: expected a mapping of names"),
        ("providers:\n", "f.yaml:1:11: providers: expected at least 1 entry"),
        ("a: b\n---\nc: d\n", "f.yaml:2:1: not valid YAML: but found another document"),
        ("a: \x00", "f.yaml:1:4: a character that YAML does not allow"),
        ('a: "\\UFFFFFFFF"', "f.yaml:1:1: holds a number or an escape out of range"),
        ("[" * 5000, "f.yaml:1:1: nested too deeply"),
    ],
)
def test_a_document_that_cannot_be_used_is_one_problem(text: str, message: str) -> None:
    assert problem(text) == message


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a:\n\tb: 1\n", "2:1", "this line is indented with a tab"),
        ("a:\n  b: 1\n  \tc: 1\n", "3:3", "put spaces in its place"),
        ("a: {\n\tb: 1}", "2:1", "this line is indented with a tab"),
        ("a:\tb", "1:3", "put a space in its place"),
        ('a: "b\nc:\n  d: 1\n', "1:4", "the quote that opens here is never closed"),
        ("a: 1\nb: [{c: 'd, e: f}]\n", "2:9", "put the same quote behind the text"),
        ("a: 'b\n---\nc'\n", "1:4", "the quote that opens here is never closed"),
        ('a: 1\nb: "c\nd: {e: "f"}\n', "2:4", "here is closed on line 3 only"),
        ('a: [{b: "c}]\nd:\n  e: "f"\n', "1:9", "put the same quote where the text ends"),
        ('a: "b\nc: {d: e"}\n', "1:4", "here is closed on line 2 only"),
        ("a: 'it's'\n", "1:8", "the text is over where its quote closes"),
        ('a: "C:\\dir"', "1:8", "a backslash in double quotes begins an escape"),
        ("a: [1", "1:6", "expected a comma or ] here, since the [ of line 1 is still open"),
        ("a: {b: 1\nc: 2\n", "2:2", "since the { of line 1 is still open"),
        ("a: b: c", "1:5", "give every key a colon and a space"),
        ("a:\n  b:1\n  c: 2\n", "3:4", "indent this line and the one above it alike"),
        ("a\nb: 1\n", "2:2", "give every key a colon and a space"),
        ("a: 1\nbcd\n", "3:1", "write it as `key: value`"),
        ("a:\n  b: 1\n c: 2\n", "3:2", "indent it as they are"),
        ("a: @b", "1:4", "put quotes around the text"),
        ("a: *sesame1", "1:4", "an alias, which begins with *, of nothing above it"),
    ],
)
def test_what_is_no_yaml_is_told_in_plain_words(text: str, place: str, words: str) -> None:
    message = problem(text)
    assert message.startswith(f"f.yaml:{place}: ")
    assert words in message
    assert "sesame" not in message
    assert not any(word in message for word in ("token", "scalar", "block end", "stream"))


@pytest.mark.parametrize(
    ("line", "near"),
    [
        ("log: {level: warn}", "; did you mean warning?"),
        ("log: {format: jsonl}", "; did you mean json?"),
        ("log: {format: Console}", "; did you mean console?"),
        ("log: {format: sesame}", "found 'sesame'"),
        ("log: {format: [json]}", "found a list"),
    ],
)
def test_the_nearest_right_word_is_offered(line: str, near: str) -> None:
    assert problem(ONE_PROVIDER + line).endswith(near)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("base_url: 'http://u:sesame@h'", "base_url: a user or password"),
        ("base_url: 'http://h?k=sesame'", "without query and fragment"),
        ("base_url: 'http://h:99999'", "port"),
        ("base_url: 'http://'", "with a host"),
        ("base_url: 'http://h', api_key: 'sesame and more'", "api_key: expected a key"),
        ("base_url: 'http://h', headers: {'a b': sesame}", "a header's name"),
        ("base_url: 'http://h', headers: {Host: sesame}", "belongs to the connection"),
        ('base_url: "http://h", headers: {x: "sesame\\r\\ny: 1"}', "headers.x: expected printable"),
        (
            "base_url: 'http://h', connections_max: 2, warm_connections: 3",
            "at most connections_max",
        ),
        ("base_url: 'http://h', ca_file: /nope/sesame", "no such file"),
    ],
)
def test_a_provider_that_cannot_be_used_says_why_and_no_secret(provider: str, words: str) -> None:
    message = problem(f"providers: {{a: {{dialect: openai, {provider}}}}}")
    assert words in message
    assert "sesame" not in message


def test_tls_needs_certificate_and_key() -> None:
    assert problems(ONE_PROVIDER + "listen: {tls: {cert: /nope}}") == [
        "f.yaml:2:15: listen.tls: the key key is missing: expected a text",
        "f.yaml:2:22: listen.tls.cert: no such file, or not readable; "
        "paths begin where headrace starts",
    ]


def test_files_that_are_there_are_accepted(tmp_path: Path) -> None:
    pem = tmp_path / "a.pem"
    pem.write_text("")
    settings = read(ONE_PROVIDER + f"listen: {{tls: {{cert: {pem}, key: {pem}}}}}")
    assert settings.listen.tls is not None
    assert settings.listen.tls.cert == str(pem)


def test_authorities_are_certificates(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    text = f"providers: {{a: {{dialect: openai, base_url: 'https://h', ca_file: {pem}}}}}"
    authority = trustme.CA()
    good, key = authority.cert_pem.bytes(), authority.private_key_pem.bytes()
    pem.write_bytes(key + b"A comment.\n" + good)
    assert read(text).providers["a"].ca_file == str(pem)
    for content in (b"", b"no certificate", key):
        pem.write_bytes(content)
        assert "providers.a.ca_file: no certificate in this file" in problem(text)
    pem.write_bytes(good[:100] + good[-100:])
    assert "cannot be read as certificates in PEM" in problem(text)


def test_plain_scalars_are_read_as_what_is_wanted_there() -> None:
    text = ONE_PROVIDER + (
        "listen: {port: 8_080, drain_timeout_s: 2}\n"
        "cache: {enabled: no}\n"
        "log: {format: off, file: 2024-01-01}\n"
        "data_dir: 017\n"
        "models: {m: {targets: [a/x], price: {input: 1, output: 2.5e-1}}}\n"
    )
    settings = read(text)
    assert settings.listen.port == 8080
    assert settings.listen.drain_timeout_s == 2.0
    assert not settings.cache.enabled
    assert settings.log.format == "off"
    assert settings.log.file == "2024-01-01"
    assert settings.data_dir == "017"
    assert settings.models["m"].price == PriceSettings(input=1, output=0.25)


def test_merge_keys_share_bounds_and_own_keys_win() -> None:
    settings = read(
        "providers:\n"
        "  a: &a {dialect: openai, base_url: 'http://a', keepalive_s: 7, verify: false}\n"
        "  b: {<<: *a, base_url: 'http://b'}\n"
        "  c: {<<: [*a, {answer_mb_max: 3}], verify: true}\n"
    )
    b, c = settings.providers["b"], settings.providers["c"]
    assert (b.base_url, b.keepalive_s, b.verify) == ("http://b", 7, False)
    assert (c.base_url, c.answer_mb_max, c.verify) == ("http://a", 3, True)


def test_a_mapping_that_merges_itself_ends() -> None:
    assert problem(ONE_PROVIDER + "listen: &a {<<: *a, prt: 1}").endswith("did you mean port?")
    assert "only a mapping can be merged" in problem(ONE_PROVIDER + "log: {<<: 1}")


def test_references_read_the_environment_anywhere() -> None:
    settings = read(
        ONE_PROVIDER + "listen: {port: ${PORT}, workers: '${W:-3}', host: ${A}.${B:-0.0.1}}\n"
        "data_dir: ${D:-/a: {b}\n"
        'log: {file: "${F:-x, y}/$${HOME}"}\n',
        PORT="81",
        A="127",
        W="",
    )
    assert settings.listen.port == 81
    assert settings.listen.workers == 3
    assert settings.listen.host == "127.0.0.1"
    assert settings.data_dir == "/a: {b"
    assert settings.log.file == "x, y/${HOME}"


def test_a_missing_variable_is_told_with_its_line() -> None:
    assert problem(ONE_PROVIDER + "data_dir: ${NOPE}/${NIL}") == (
        "f.yaml:2:11: data_dir: not set in the environment: NOPE, NIL; "
        "set it or write ${NAME:-default}"
    )
    assert "a reference is written" in problem(ONE_PROVIDER + "data_dir: ${")


def test_a_value_from_the_environment_is_not_repeated() -> None:
    message = problem(ONE_PROVIDER + "listen: {port: ${PORT}}", PORT="sesame")
    assert message == "f.yaml:2:16: listen.port: expected a whole number, found '${PORT}'"


@pytest.mark.parametrize(
    "text",
    [
        "keys: [sesame1]",
        "keys: sesame1",
        "keys: [{sesame1: }]",
        "keys: [{sesame-1, tenant: t}]",
        "keys: [{key: [sesame1], tenant: t}]",
        "keys: [{key: 'sesame1 ', tenant: t}]",
        "keys: [{kez: sesame1, tenant: t}]",
        "providers: {a: sesame1}",
        "providers: {a: {dialect: openai, base_url: 'http://h', api_key: {sesame1: 1}}}",
        "providers: {a: {dialect: openai, base_url: 'http://h', headers: sesame1}}",
        "providers: sesame1",
        "store: {url: [sesame1]}",
        "store: sesame1",
        "cache: {shared: {sesame1}}",
        "sesame1",
        "log: {format: sesame1}",
        "providers: {a: {dialect: sesame-1, base_url: 'http://h'}}",
        "keys: [{key: *sesame1}]",
        "keys: [{key: !sesame!1 x}]",
        "keys: [{key: 'sesame1]",
    ],
)
def test_a_credential_in_the_wrong_place_is_not_repeated(text: str) -> None:
    assert "sesame" not in "\n".join(problems(text))


def test_load_names_the_file_and_says_why_it_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "h.yaml"
    with pytest.raises(SettingsInvalid, match=r"h\.yaml: cannot be read: No such file"):
        load_settings(path)
    path.write_bytes(b"a: 1\nb: \xff")
    with pytest.raises(SettingsInvalid, match=r"h\.yaml:2:4: not UTF-8"):
        load_settings(path)
    path.write_bytes(b"#" * 2_000_000)
    with pytest.raises(SettingsInvalid, match="larger than"):
        load_settings(path)
    path.write_bytes(b"\xef\xbb\xbf" + ONE_PROVIDER.encode())
    assert load_settings(path).providers.keys() == {"a"}
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("semantic", "complaint"),
    [
        ("{enabled: true, embedder: b/model}", "unknown provider 'b'; it must be one of"),
        ("{enabled: true, embedder: nonsense}", "expected provider/model, or local:MODEL"),
        ("{enabled: true, embedder: a/e, judge: b/m}", "unknown provider 'b'"),
        ("{enabled: true, embedder: a/e, judge: me}", "expected provider/model, or embedder"),
        ("{enabled: true, embedder: a/e, mode: shadow}", "mode shadow wants a judge"),
        ("{enabled: true, embedder: a/e, max_error: 0.3}", "max_error"),
    ],
)
def test_what_meaning_needs_is_said(semantic: str, complaint: str) -> None:
    provider = "providers: {a: {dialect: openai, base_url: http://h/v1}}\n"
    assert complaint in problem(f"{provider}cache: {{semantic: {semantic}}}")


@pytest.mark.parametrize("embedder", ["a/model", "local:sentence-transformers/all-MiniLM-L6-v2"])
def test_an_embedder_is_a_provider_s_or_a_local_one(embedder: str) -> None:
    provider = "providers: {a: {dialect: openai, base_url: http://h/v1}}\n"
    settings = read(f'{provider}cache: {{semantic: {{enabled: true, embedder: "{embedder}"}}}}')
    assert settings.cache.semantic.embedder == embedder

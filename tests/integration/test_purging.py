"""Answers that are forgotten on demand: by key, tag, model, tenant, or all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.wire import Response, encode_request
from tests.support.wire import ask as ask_wire
from typer.testing import CliRunner

from headrace.cli.main import app
from headrace.sim.options import SimOptions
from headrace.sim.thread import running

PATH = "/v1/chat/completions"
ADMIN = "hr-admin-key-of-this-test"
KEYS = {"a": "hr-key-of-tenant-a", "b": "hr-key-of-tenant-b"}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    keys = [{"key": key, "tenant": tenant} for tenant, key in KEYS.items()]
    with running(SimOptions()) as sim:
        lane = {"dialect": "openai", "base_url": f"{sim.url}/v1"}
        settings = {
            "providers": {"p": lane},
            "keys": [*keys, {"key": ADMIN, "tenant": "ops", "admin": True}],
        }
        with Gateway(tmp_path, settings, admin_key=ADMIN) as gateway:
            yield gateway


def ask(
    gateway: Gateway, question: str, *, tenant: str = "a", tags: str = "", model: str = "sim-small"
) -> Response:
    headers = {"authorization": f"Bearer {KEYS[tenant]}"}
    if tags:
        headers["x-headrace-tags"] = tags
    messages = [{"role": "user", "content": question}]
    return gateway.post(PATH, {"model": f"p/{model}", "messages": messages}, headers=headers)


def purge(gateway: Gateway, query: str, key: str = ADMIN) -> Response:
    headers = {"authorization": f"Bearer {key}"}
    request = encode_request(f"/admin/cache?{query}", method="DELETE", headers=headers)
    return ask_wire(gateway.url, request)


def test_one_key_is_forgotten(gateway: Gateway):
    key = ask(gateway, "one").headers["x-headrace-key"]
    assert ask(gateway, "two").cache == "miss"
    hit = ask(gateway, "one")
    assert (hit.cache, hit.headers["x-headrace-key"]) == ("l1", key)
    told = purge(gateway, f"key={key}")
    assert (told.status, told.json()["purged"]) == (200, f"key:{key}")
    assert [ask(gateway, question).cache for question in ("one", "two")] == ["miss", "l1"]


def test_a_tag_is_forgotten(gateway: Gateway):
    ask(gateway, "one", tags="docs, v1")
    ask(gateway, "two", tags="v1")
    ask(gateway, "three")
    purge(gateway, "tag=docs")
    assert [ask(gateway, each).cache for each in ("one", "two", "three")] == ["miss", "l1", "l1"]


def test_a_tenant_is_forgotten(gateway: Gateway):
    for tenant in KEYS:
        ask(gateway, "one", tenant=tenant)
    purge(gateway, "tenant=a")
    assert [ask(gateway, "one", tenant=tenant).cache for tenant in KEYS] == ["miss", "l1"]


def test_a_model_is_forgotten(gateway: Gateway):
    for model in ("sim-small", "sim-large"):
        ask(gateway, "one", model=model)
    purge(gateway, "model=p/sim-large")
    found = [ask(gateway, "one", model=model).cache for model in ("sim-small", "sim-large")]
    assert found == ["l1", "miss"]


def test_everything_is_forgotten(gateway: Gateway):
    ask(gateway, "one")
    ask(gateway, "two", tenant="b")
    assert purge(gateway, "all=true").json()["purged"] == "all"
    assert gateway.status()["cache"]["entries"] == 0
    assert ask(gateway, "one").cache == ask(gateway, "two", tenant="b").cache == "miss"


@pytest.mark.parametrize(
    "query",
    ["", "all=no", "tag=a&tag=b", "key=xyz", "model=gpt", "tag=", "colour=red", "tag=" + "x" * 300],
)
def test_what_is_not_clear_is_not_purged(gateway: Gateway, query: str):
    ask(gateway, "one")
    refused = purge(gateway, query)
    assert (refused.status, refused.error["code"]) == (400, "bad_scope")
    assert ask(gateway, "one").cache == "l1"


def test_only_an_administrator_may_purge(gateway: Gateway):
    assert purge(gateway, "all=true", key=KEYS["a"]).status == 403


def test_bad_tags_are_refused(gateway: Gateway):
    for tags in ("no spaces here", "x" * 65, ",".join("abcdefghijklmnopq")):
        assert ask(gateway, "one", tags=tags).status == 400


def test_the_command_purges(gateway: Gateway):
    ask(gateway, "one", tags="docs")
    url = ["--url", gateway.url, "--admin-key", ADMIN]
    told = CliRunner().invoke(app, ["cache", "purge", "--tag", "docs", *url])
    assert (told.exit_code, "tag:docs" in told.output) == (0, True)
    assert ask(gateway, "one").cache == "miss"
    refused = CliRunner().invoke(app, ["cache", "purge", "--all", "--url", gateway.url])
    assert refused.exit_code == 1
    assert "key" in refused.output


def test_what_was_saved_is_told(gateway: Gateway):
    for _ in range(3):
        ask(gateway, "one")
    told = gateway.get("/admin/cache", headers={"authorization": f"Bearer {ADMIN}"}).json()
    assert told["saved"]["l1"]["calls"] == 2
    assert told["memory"]["entries"] == 1

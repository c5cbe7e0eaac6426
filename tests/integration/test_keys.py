"""Keys of the store through real gateways: who gets in, how soon, and whatever becomes of it."""

import asyncio
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support import headrace_process
from tests.support.gateway import Gateway
from tests.support.house import OPENAI, lanes
from tests.support.postgres import PostgresServer
from tests.support.stores import Place
from tests.support.waiting import eventually
from tests.support.wire import Response, encode_request
from tests.support.wire import ask as ask_once

from headrace.clock import SystemClock
from headrace.identity.key_mirror import MIRROR_FILE
from headrace.identity.key_records import KeyWish
from headrace.identity.key_store import KeyStore
from headrace.ids import Ids
from headrace.sim.thread import ThreadedSim

pytestmark = pytest.mark.heavy_on_postgresql

ADMIN = "hr-operator"
OPERATOR = {"key": ADMIN, "tenant": "ops", "name": "operator", "admin": True}
CHANGE_S_MAX = 1.0


class Keys:
    """A gateway, and what is asked of its keys."""

    def __init__(self, gateway: Gateway, admin: str | None = ADMIN) -> None:
        self.gateway = gateway
        self.admin = {} if admin is None else bearer(admin)

    def ask(self, method: str, path: str = "", document: Any = None) -> Response:
        request = encode_request("/admin/keys" + path, document, method=method, headers=self.admin)
        return ask_once(self.gateway.url, request)

    def create(self, **wish: Any) -> dict[str, Any]:
        response = self.ask("POST", "", wish)
        assert response.status == 200, response.body
        made: dict[str, Any] = response.json()
        return made

    def call(self, key: str | None, model: str = "sim/echo", content: str = "water") -> Response:
        document = OPENAI.document(model, messages=[{"role": "user", "content": content}])
        headers = {} if key is None else bearer(key)
        return self.gateway.post(OPENAI.path, document, headers=headers)

    def status_of(self, key: str | None, times: int = 1) -> set[int]:
        """What callers with a key are told; several times, by whichever worker answers."""
        return {self.call(key).status for _ in range(times)}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def settings(sim: ThreadedSim, place: Place | None = None, **more: Any) -> dict[str, Any]:
    store = {} if place is None else {"store": {"url": place.url}}
    return {
        "providers": {**lanes(sim.url), "sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"}},
        "keys": [OPERATOR],
        **store,
        **more,
    }


def within_a_second(status: int, keys: Keys, key: str | None, times: int = 1) -> None:
    """Or what that takes on a machine that does much else: the looks are 0.25 s apart."""
    eventually(lambda: keys.status_of(key, times) == {status}, 20 * CHANGE_S_MAX)


@pytest.fixture
def keys(sim: ThreadedSim, place: Place) -> Iterator[Keys]:
    with Gateway(place.folder / "g", settings(sim, place), admin_key=ADMIN) as gateway:
        keys = Keys(gateway)
        within_a_second(401, keys, "hr-nobody")  # it knows the keys of the store
        yield keys


def test_a_key_lives_from_its_making_to_its_end(keys: Keys) -> None:
    assert keys.status_of("hr-unknown") == {401}
    made = keys.create(name="app", tenant="acme")
    assert (made["key"][:3], len(made["key"])) == ("hr-", 46)
    assert keys.status_of(made["key"]) == {200}  # at once, where it was made
    line = keys.gateway.requests()[-1] if keys.gateway.requests() else None
    assert line is None or line["key_name"] in ("app", "operator", None)
    revoked = keys.ask("DELETE", f"/{made['id']}")
    assert (revoked.status, revoked.json()["state"]) == (200, "revoked")
    assert keys.status_of(made["key"]) == {401}
    assert keys.ask("DELETE", f"/{made['id']}").status == 200  # twice is once
    kept = (keys.gateway.data_dir / MIRROR_FILE).read_text()
    assert made["key"] not in kept + keys.gateway.log + keys.gateway.stderr


def test_a_head_that_was_seen_does_not_outlive_its_key(keys: Keys) -> None:
    made = keys.create(name="app")
    assert [keys.call(made["key"]).status for _ in range(3)] == [200, 200, 200]
    assert keys.call(made["key"]).headers["x-headrace-cache"] == "l1"
    keys.ask("DELETE", "/app")
    assert keys.call(made["key"]).status == 401


def test_rotating_keeps_the_old_key_for_a_while(keys: Keys) -> None:
    made = keys.create(name="app")
    rotated = keys.ask("POST", "/app/rotate", {"grace_s": 3600}).json()
    assert rotated["id"] == made["id"]
    assert {keys.call(key).status for key in (made["key"], rotated["key"])} == {200}
    again = keys.ask("POST", "/app/rotate", {"grace_s": 0}).json()
    assert keys.status_of(again["key"]) == {200}
    assert keys.status_of(made["key"]) == {401}
    refused = keys.call(rotated["key"])
    assert (refused.status, refused.json()["error"]["code"]) == (401, "expired_api_key")


@pytest.mark.heavy
def test_a_key_ends_by_itself(keys: Keys) -> None:
    made = keys.create(name="brief", expires_s=3600)
    assert keys.call(made["key"]).status == 200
    assert keys.ask("PATCH", "/brief", {"expires_s": 0.5}).status == 200
    eventually(lambda: keys.call(made["key"]).status == 401)
    assert keys.call(made["key"]).json()["error"]["code"] == "expired_api_key"
    assert keys.ask("GET", "/brief").json()["state"] == "expired"
    assert keys.ask("PATCH", "/brief", {"expires_s": None}).status == 200
    assert keys.call(made["key"]).status == 200


def test_models_that_a_key_is_not_for_are_refused_whatever_is_stored(keys: Keys) -> None:
    free, bound = keys.create(name="free"), keys.create(name="bound", models=["sim/e*"])
    assert [keys.call(free["key"], "sim/other").status for _ in range(2)] == [200, 200]
    refused = keys.call(bound["key"], "sim/other")  # the very bytes that are in memory
    assert (refused.status, refused.json()["error"]["code"]) == (403, "model_not_allowed")
    assert keys.call(bound["key"], "sim/echo").status == 200
    keys.ask("PATCH", "/bound", {"models": ["sim/o*"]})
    assert keys.call(bound["key"], "sim/other").status == 200
    assert keys.call(bound["key"], "sim/echo").status == 403


def test_limits_of_a_stored_key_count(keys: Keys) -> None:
    made = keys.create(name="slow", requests_per_minute=2)
    assert [keys.call(made["key"]).status for _ in range(3)] == [200, 200, 429]
    keys.ask("PATCH", "/slow", {"requests_per_minute": None})
    assert keys.call(made["key"]).status == 200


@pytest.mark.parametrize(
    ("method", "path", "document", "status", "code"),
    [
        ("POST", "", {"nmae": "a"}, 400, "bad_key"),
        ("POST", "", {"name": "taken"}, 409, "key_exists"),
        ("POST", "", [1], 400, "invalid_json"),
        ("GET", "/nobody", None, 404, "key_not_found"),
        ("PATCH", "/nobody", {}, 404, "key_not_found"),
        ("PATCH", "/other", {"name": "taken"}, 409, "key_exists"),
        ("PATCH", "/gone", {"admin": True}, 404, "key_not_found"),
        ("POST", "/other/rotate", {"grace_s": -1}, 400, "bad_key"),
        ("GET", "?limit=0", None, 400, "invalid_request"),
        ("GET", "?limit=١", None, 400, "invalid_request"),
        ("GET", "?order=up", None, 400, "invalid_request"),
    ],
)
def test_bad_input_is_told(
    shared_keys: Keys, method: str, path: str, document: Any, status: int, code: str
) -> None:
    path = path.replace("١", "%D9%A1")
    response = shared_keys.ask(method, path, document)
    assert (response.status, response.json()["error"]["code"]) == (status, code)


def test_zero_bytes_are_told_whatever_the_store(keys: Keys) -> None:
    for method, path, document in (
        *(("GET", "/a%00", None), ("PATCH", "/a%00", {"admin": True}), ("DELETE", "/a%00", None)),
        ("POST", "/a%00/rotate", {}),
    ):
        response = keys.ask(method, path, document)
        assert (response.status, response.error["code"]) == (404, "not_found")
    for path in ("?tenant=%00", "?after=key_%00", "?limit=5&tenant=a%00b"):
        response = keys.ask("GET", path)
        assert (response.status, response.error["code"]) == (400, "zero_byte")
    for wish in ({"name": "a\0b"}, {"tenant": "\0"}, {"models": ["\0"]}, {"cheaper": "\0"}):
        response = keys.ask("POST", "", wish)
        assert (response.status, response.error["code"]) == (400, "bad_key")
    for path in ("/v1/conversations", "/v1/files", "/v1/batches", "/v1/responses", "/v1/jobs"):
        answer = keys.gateway.get(f"{path}/a%00", headers=bearer(ADMIN))
        assert (answer.status, answer.error["code"]) == (404, "not_found")
        answer = keys.gateway.get(f"{path}?after=%00", headers=bearer(ADMIN))
        assert answer.status in (400, 404, 405), path


@pytest.fixture(scope="module")
def shared_keys(
    tmp_path_factory: pytest.TempPathFactory, shared_sim: ThreadedSim
) -> Iterator[Keys]:
    folder = tmp_path_factory.mktemp("keys")
    with Gateway(folder, settings(shared_sim), admin_key=ADMIN) as gateway:
        keys = Keys(gateway)
        for name in ("taken", "other", "gone"):
            keys.create(name=name)
        keys.ask("DELETE", "/gone")
        yield keys


def test_only_administrators_see_keys(shared_keys: Keys) -> None:
    made = shared_keys.create()
    as_caller = Keys(shared_keys.gateway, made["key"])
    assert as_caller.ask("GET").status == 403
    assert as_caller.ask("POST", "", {"admin": True}).status == 403
    assert Keys(shared_keys.gateway, None).ask("GET").status == 401


def test_pages_hold_every_key_once(keys: Keys) -> None:
    made = [keys.create(name=f"k{number}", tenant="ab"[number % 2])["id"] for number in range(5)]
    for order, expected in (("asc", made), ("desc", made[::-1])):
        seen, after = [], ""
        while True:
            page = keys.ask("GET", f"?limit=2&order={order}" + (f"&after={after}" if after else ""))
            seen += [each["id"] for each in page.json()["data"]]
            after = page.json()["last_id"]
            if not page.json()["has_more"]:
                break
        assert seen == expected
    of_one = keys.ask("GET", "?tenant=b").json()["data"]
    assert [each["id"] for each in of_one] == made[1::2]


def test_every_worker_follows_within_a_second(sim: ThreadedSim, place: Place) -> None:
    several = settings(sim, place, listen={"workers": 4})
    with Gateway(place.folder / "g", several, admin_key=ADMIN) as gateway:
        keys = Keys(gateway)
        made = keys.create(name="app")
        within_a_second(200, keys, made["key"], times=12)
        keys.ask("DELETE", "/app")
        within_a_second(401, keys, made["key"], times=12)


@pytest.mark.heavy
@pytest.mark.parametrize("is_first_told", [True, False])
@pytest.mark.parametrize("workers", [1, 4])
def test_a_key_with_the_first_budget_of_all_is_served_from_its_first_call_on(
    sim: ThreadedSim, place: Place, workers: int, *, is_first_told: bool
) -> None:
    dear = {"dear": {"targets": ["sim/echo"], "price": {"input": 100, "output": 100}}}
    several = settings(sim, place, listen={"workers": workers}, models=dear)
    with Gateway(place.folder / "g", several, admin_key=ADMIN) as gateway:
        keys = Keys(gateway)
        for number in range(3):
            if is_first_told:
                made = keys.create(name=f"k{number}", day_usd=5)["key"]
            else:
                made = made_beside(place, f"k{number}")

            def answers(key: str = made, number: int = number) -> list[str]:
                """What callers are told who come at once, but for those who come too early."""
                with ThreadPoolExecutor(8) as pool:
                    calls = pool.map(lambda at: keys.call(key, "dear", f"{number} {at}"), range(8))
                    told = ["" if each.status == 200 else each.error["code"] for each in calls]
                # A worker whose store is slow knows of no key yet.
                early = ("invalid_api_key", "keys_unavailable")
                return [code for code in told if code not in early]

            told = eventually(answers)
            assert set(told) == {""}


def made_beside(place: Place, name: str) -> str:
    """A key that is made in the store, of which no gateway is told."""

    async def make() -> str:
        clock = SystemClock()
        async with Place(place.url, place.folder / "g" / "data").records() as records:
            store = KeyStore(records, clock, Ids(clock.wall_s).new)
            return (await store.create(KeyWish(name=name, day_usd=5))).key

    return asyncio.run(make())


def test_the_first_key_closes_a_gateway_for_good(sim: ThreadedSim, tmp_path: Path) -> None:
    opened = settings(sim, keys=[], data_dir=str(tmp_path))
    with Gateway(tmp_path / "one", opened) as gateway:
        keys = Keys(gateway, None)
        within_a_second(200, keys, None)
        made = run_keys("create", "--name", "first", "--data-dir", str(tmp_path))
        within_a_second(401, keys, None)
        assert keys.status_of(made) == {200}
        run_keys("revoke", "first", "--data-dir", str(tmp_path))
        within_a_second(401, keys, made)
        assert keys.status_of(None) == {401}
    with Gateway(tmp_path / "other", opened) as gateway:
        within_a_second(401, Keys(gateway), None)


def test_beyond_loopback_a_key_is_needed_and_one_of_the_store_will_do(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    beyond = settings(sim, keys=[], listen={"host": "0.0.0.0"})
    with pytest.raises(AssertionError, match="no keys are set"):
        Gateway(tmp_path / "g", beyond)
    data_dir = str(tmp_path / "g" / "data")
    made = run_keys("create", "--name", "first", "--data-dir", data_dir)
    with Gateway(tmp_path / "g", beyond) as gateway:
        keys = Keys(gateway)
        within_a_second(200, keys, made)
        assert keys.status_of(None) == {401}


def test_the_command_line_asks_a_gateway_too(shared_keys: Keys) -> None:
    where = ("--url", shared_keys.gateway.url)
    environment = {"HEADRACE_ADMIN_KEY": ADMIN}
    made = run_keys("create", "--name", "by-hand", "--day-usd", "2", *where, **environment)
    assert shared_keys.status_of(made) == {200}
    listed = json.loads(run_keys("list", "--json", *where, **environment))
    (ours,) = (each for each in listed if each["name"] == "by-hand")
    assert (ours["day_usd"], ours["state"]) == (2, "active")
    rotated = run_keys("rotate", "by-hand", "--grace", "0s", *where, **environment)
    assert shared_keys.status_of(rotated) == {200}
    assert shared_keys.status_of(made) == {401}
    assert "revoked" in run_keys("revoke", "by-hand", *where, **environment)


@pytest.mark.heavy
def test_while_the_store_is_away_the_known_get_in_and_nobody_else(
    sim: ThreadedSim, server: PostgresServer, own_url: str, tmp_path: Path
) -> None:
    stored = settings(sim, store={"url": own_url}, data_dir=str(tmp_path))
    gateway = Gateway(tmp_path / "one", stored, admin_key=ADMIN)
    try:
        keys = Keys(gateway)
        made, gone = keys.create(name="app"), keys.create(name="gone")
        keys.ask("DELETE", "/gone")
        for fault, mend in ((server.freeze, server.thaw), (server.kill, lambda: None)):
            fault()
            assert keys.status_of(made["key"], 5) == {200}
            assert keys.status_of("hr-unknown") == {401}
            assert keys.status_of(gone["key"]) == {401}
            refused = keys.ask("POST", "", {"name": "new"})
            assert (refused.status, refused.json()["error"]["type"]) == (503, "server_error")
            assert keys.status_of(made["key"], 5) == {200}
            mend()
    finally:
        gateway.kill()
    with Gateway(
        tmp_path / "other", stored, admin_key=ADMIN
    ) as gateway:  # nobody is there to be asked
        keys = Keys(gateway)
        assert keys.status_of(made["key"]) == {200}
        assert keys.status_of("hr-unknown") == {401}
        assert keys.status_of(gone["key"]) == {401}
        assert keys.status_of(ADMIN) == {200}
        server.start()
        eventually(
            lambda: [each for each in gateway.events() if each["event"] == "keys_seen_again"]
        )
        late = eventually(lambda: keys.ask("POST", "", {"name": "late"}).json().get("key"))
        assert keys.status_of(late) == {200}


@pytest.mark.heavy
def test_where_neither_store_nor_copy_tells_callers_are_told_to_wait(
    sim: ThreadedSim, server: PostgresServer, own_url: str, tmp_path: Path
) -> None:
    server.kill()
    with Gateway(tmp_path / "g", settings(sim, store={"url": own_url}, keys=[])) as gateway:
        keys = Keys(gateway)
        for key in (None, "hr-unknown"):
            refused = keys.call(key)
            assert (refused.status, refused.json()["error"]["code"]) == (503, "keys_unavailable")
            assert int(refused.headers["retry-after"]) >= 1
        server.start()
        within_a_second(200, keys, None)  # by then it is certain that there are none


@pytest.mark.parametrize("content", [b"", b"{", b'{"version":1}', b"\x00" * 100])
def test_a_damaged_copy_counts_as_none_and_is_mended(
    sim: ThreadedSim, tmp_path: Path, content: bytes
) -> None:
    made = run_keys("create", "--name", "app", "--data-dir", str(tmp_path))
    copy = tmp_path / MIRROR_FILE
    copy.write_bytes(content)
    with Gateway(tmp_path / "g", settings(sim, keys=[], data_dir=str(tmp_path))) as gateway:
        keys = Keys(gateway)
        within_a_second(200, keys, made)
        assert keys.status_of(None) == {401}
        assert eventually(lambda: made not in copy.read_text() and "app" in copy.read_text())


def run_keys(*arguments: str, **environment: str) -> str:
    """What `headrace keys ...` prints."""
    whole = {**os.environ, "PYTHONPATH": headrace_process.SOURCES, **environment}
    done = headrace_process.run("keys", *arguments, environment=whole)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

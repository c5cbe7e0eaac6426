"""Sessions over HTTP: what a browser is given, and what it is refused."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.browserless import Browserless
from tests.support.gateway import Gateway
from tests.support.postgres import Databases
from tests.support.waiting import eventually
from tests.support.wire import ask, encode_request

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

SECRET = "0123456789abcdef" * 4
APP_KEY, ADMIN_KEY = "hr-application-key", "hr-operator-key"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(SimOptions(seed=3)) as sim:
        settings = {
            "listen": {"workers": 2},
            "providers": {"sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"}},
            "keys": [
                {"key": APP_KEY, "tenant": "app"},
                {"key": ADMIN_KEY, "tenant": "operations", "admin": True},
            ],
        }
        folder = tmp_path_factory.mktemp("sessions")
        with Gateway(folder, settings, admin_key=ADMIN_KEY) as served:
            yield served


def signed_in(gateway: Gateway) -> Browserless:
    browser = Browserless(gateway, ADMIN_KEY)
    assert browser.sign_in().status == 200
    return browser


def as_admin(
    gateway: Gateway, method: str, path: str, document: dict[str, Any] | None = None
) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    response = ask(gateway.url, encode_request(path, document, method=method, headers=headers))
    assert response.status == 200, response.body
    told: dict[str, Any] = response.json()
    return told


def test_the_cookie_is_for_this_site_and_no_script(gateway: Gateway):
    cookie = Browserless(gateway, ADMIN_KEY).sign_in().headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/", "max-age=28800"} <= set(cookie.split("; "))
    assert "secure" not in cookie  # this gateway speaks no TLS
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "x-forwarded-proto": "https"}
    behind_tls = gateway.post("/admin/session", {}, headers=headers)
    assert "secure" in behind_tls.headers["set-cookie"].lower().split("; ")


def test_a_session_is_known_to_every_worker(gateway: Gateway):
    browser = signed_in(gateway)
    workers = set()
    for _ in range(200):  # each time on a new connection, which any worker may take
        response = browser.get("/admin/status")
        assert response.status == 200, response.body
        workers.add(response.json()["worker"])
        if len(workers) == 2:
            break
    assert workers == {0, 1}


def test_who_has_no_admins_key_gets_none(gateway: Gateway):
    for key, status in ((APP_KEY, 403), ("hr-unknown", 401)):
        response = Browserless(gateway, key).sign_in()
        assert (response.status, "set-cookie" in response.headers) == (status, False)


def test_a_session_does_not_prolong_itself(gateway: Gateway):
    browser = signed_in(gateway)
    refused = browser.post("/admin/session", {})
    assert (refused.status, refused.error["code"]) == (400, "bad_key")
    assert browser.get("/admin/session").json()["key"]


def test_changes_want_the_token_and_other_sites_get_nothing(gateway: Gateway):
    browser = signed_in(gateway)
    assert browser.post("/admin/keys", {"name": "made", "tenant": "t"}).status == 200
    assert browser.post("/admin/jobs/job_none/retry", {}).status == 404
    foreign = browser.get("/admin/status", sec_fetch_site="cross-site")
    assert (foreign.status, foreign.error["code"]) == (403, "csrf_refused")
    browser.csrf = "0" * 64
    refused = browser.post("/admin/keys", {"name": "other", "tenant": "t"})
    assert (refused.status, refused.error["code"]) == (403, "csrf_refused")
    assert browser.post("/admin/jobs/job_none/retry", {}).status == 403


def test_the_session_asks_models_with_the_keys_own_rights(gateway: Gateway):
    browser = signed_in(gateway)
    question = {"model": "sim/gpt-4o-mini", "messages": [{"role": "user", "content": "Hm?"}]}
    assert browser.post("/v1/chat/completions", question).status == 200
    repeated = browser.post("/v1/chat/completions", question)
    assert repeated.status == 200
    browser.csrf = ""
    assert browser.post("/v1/chat/completions", question).status == 403
    browser.cookie = browser.cookie[:-1] + ("0" if browser.cookie[-1] != "0" else "1")
    over = browser.post("/v1/chat/completions", question)
    assert (over.status, over.error["code"]) == (401, "session_over")


def test_a_key_beside_a_cookie_that_is_over_still_counts(gateway: Gateway):
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "cookie": "headrace_session=gone"}
    assert gateway.get("/admin/status", headers=headers).status == 200


def test_a_revoked_key_ends_its_sessions(gateway: Gateway):
    made = as_admin(
        gateway, "POST", "/admin/keys", {"name": "second", "tenant": "t", "admin": True}
    )
    browser = Browserless(gateway, made["key"])
    # The other worker follows within a second.
    eventually(lambda: browser.sign_in().status == 200)
    eventually(lambda: browser.get("/admin/session").status == 200)
    as_admin(gateway, "DELETE", f"/admin/keys/{made['id']}")

    def is_over() -> bool:
        answer = browser.get("/admin/session")
        return answer.status == 401 and answer.error["code"] == "session_over"

    # Each connection may meet either worker: once is the one that knows, many times is both.
    eventually(lambda: all(is_over() for _ in range(20)))


def test_the_page_comes_with_its_policy_and_once(gateway: Gateway):
    response = gateway.get("/ui")
    assert response.status == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    again = gateway.get("/ui", headers={"if-none-match": response.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert gateway.get("/ui/main.js").headers["content-type"].startswith("text/javascript")
    for path in ("/ui/none.js", "/ui/..%2fpage.py", "/ui/%2e%2e/page.py", "/ui/web/main.js"):
        assert gateway.get(path).status == 404


def test_the_page_says_whether_a_key_is_wanted(gateway: Gateway):
    assert gateway.get("/ui/session").json() == {"wants_key": True}
    assert signed_in(gateway).get("/ui/session").json() == {"wants_key": False}
    assert gateway.get("/admin/overview").status == 401
    assert gateway.get("/admin/session").status == 401


def test_the_overview_takes_no_nonsense(gateway: Gateway):
    browser = signed_in(gateway)
    assert browser.get("/admin/overview?after=soon").status == 400
    assert browser.get("/admin/overview").json()["every_s"] == 2


def is_out(browser: Browserless) -> bool:
    """Whether it is not let in, whichever worker it meets."""
    answers = [browser.get("/admin/session") for _ in range(20)]  # each on a new connection
    return all(
        answer.status == 401 and answer.error["code"] == "session_over" for answer in answers
    )


def copy_of(browser: Browserless, gateway: Gateway) -> Browserless:
    """Somebody who has got hold of a cookie, and of its token."""
    thief = Browserless(gateway, "")
    thief.cookie, thief.csrf = browser.cookie, browser.csrf
    return thief


def test_signing_out_ends_every_copy_of_the_cookie_and_no_other_session(gateway: Gateway):
    browser, other = signed_in(gateway), signed_in(gateway)
    thief = copy_of(browser, gateway)
    assert thief.get("/admin/session").status == 200
    refused = browser.delete("/admin/session", x_headrace_csrf="0" * 64)
    assert (refused.status, thief.get("/admin/session").status) == (403, 200)
    left = browser.delete("/admin/session")
    assert left.status == 204
    assert "max-age=0" in left.headers["set-cookie"].lower()
    eventually(lambda: is_out(thief))  # the other worker follows within a second
    assert thief.get("/ui/session").json() == {"wants_key": True}
    assert thief.post("/admin/keys", {"name": "stolen", "tenant": "t"}).status == 401
    assert other.get("/admin/session").status == 200


def test_signing_out_everywhere_ends_all_sessions_of_the_key(gateway: Gateway):
    made = as_admin(gateway, "POST", "/admin/keys", {"name": "shared", "admin": True})
    one, other, bystander = (
        *(Browserless(gateway, made["key"]) for _ in range(2)),
        signed_in(gateway),
    )
    for browser in (one, other):
        eventually(lambda b=browser: b.sign_in().status == 200)  # type: ignore[misc]
    eventually(lambda: all(other.get("/admin/session").status == 200 for _ in range(20)))
    assert one.delete("/admin/session?everywhere=1").status == 400
    assert one.delete("/admin/session?all=true").status == 204
    eventually(lambda: is_out(one) and is_out(other))
    assert bystander.get("/admin/session").status == 200
    assert one.sign_in().status == 200  # the key is what it was
    eventually(lambda: all(one.get("/admin/session").status == 200 for _ in range(20)))
    headers = {"authorization": f"Bearer {made['key']}"}
    by_key = encode_request("/admin/session?all=true", None, method="DELETE", headers=headers)
    assert ask(gateway.url, by_key).status == 204
    eventually(lambda: is_out(one))


def test_a_session_that_was_ended_stays_so_over_a_restart(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "providers": {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:9/v1"}},
        "keys": [{"key": ADMIN_KEY, "tenant": "operations", "admin": True}],
        "console": {"session_secret": SECRET},
    }
    with Gateway(tmp_path, settings, admin_key=ADMIN_KEY) as gateway:
        ended, kept = signed_in(gateway), signed_in(gateway)
        assert ended.delete("/admin/session").status == 204
    settings["data_dir"] = str(gateway.data_dir)
    with Gateway(tmp_path / "anew", settings, admin_key=ADMIN_KEY) as gateway:
        assert copy_of(ended, gateway).get("/admin/session").status == 401
        assert copy_of(kept, gateway).get("/admin/session").status == 200


def test_signing_out_says_where_the_session_itself_could_not_be_ended(tmp_path: Path) -> None:
    with socket.socket() as nobody:  # bound, and never listens
        nobody.bind(("127.0.0.1", 0))
        settings = {
            "providers": {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:9/v1"}},
            "keys": [{"key": ADMIN_KEY, "tenant": "operations", "admin": True}],
            "store": {"url": f"postgresql://127.0.0.1:{nobody.getsockname()[1]}/none"},
        }
        with Gateway(tmp_path, settings, admin_key=ADMIN_KEY) as gateway:
            browser = signed_in(gateway)
            left = browser.delete("/admin/session")
            assert (left.status, left.error["code"]) == (503, "session_not_ended")
            assert "max-age=0" in left.headers["set-cookie"].lower()


@pytest.mark.heavy
def test_a_session_that_was_ended_is_over_at_every_gateway_of_the_store(
    databases: Databases, tmp_path: Path
) -> None:
    with databases.fresh() as url:
        settings = {
            "providers": {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:9/v1"}},
            "keys": [{"key": ADMIN_KEY, "tenant": "operations", "admin": True}],
            "console": {"session_secret": SECRET},
            "store": {"url": url},
        }
        with (
            Gateway(tmp_path / "one", settings, admin_key=ADMIN_KEY) as one,
            Gateway(tmp_path / "other", settings, admin_key=ADMIN_KEY) as other,
        ):
            here = signed_in(one)
            there = copy_of(here, other)
            assert there.get("/admin/session").status == 200
            assert here.delete("/admin/session").status == 204
            eventually(lambda: there.get("/admin/session").status == 401)


def test_gateways_of_one_secret_know_each_others_sessions(tmp_path: Path) -> None:
    def gateway_of(name: str, **console: str) -> Gateway:
        settings = {
            "providers": {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:9/v1"}},
            "keys": [{"key": ADMIN_KEY, "tenant": "operations", "admin": True}],
            "console": console,
        }
        return Gateway(tmp_path / name, settings, admin_key=ADMIN_KEY)

    with gateway_of("one", session_secret=SECRET) as one:
        here = signed_in(one)
        with gateway_of("other", session_secret=SECRET) as other:
            there = Browserless(other, ADMIN_KEY)
            there.cookie, there.csrf = here.cookie, here.csrf
            assert there.post("/admin/keys", {"name": "made", "tenant": "t"}).status == 200
            shown = there.get("/admin/settings").body
            assert SECRET.encode() not in shown
            assert b"session_secret" in shown
        with gateway_of("alone") as alone:
            stranger = Browserless(alone, ADMIN_KEY)
            stranger.cookie = here.cookie
            answer = stranger.get("/admin/session")
            assert (answer.status, answer.error["code"]) == (401, "session_over")

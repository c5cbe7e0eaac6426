"""Jobs whose key is rotated or revoked while they wait, and those of all tenants."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.gateway import Gateway
from tests.support.job_gateways import ask, ended

from headrace.sim.thread import ThreadedSim

ADMIN = "key-of-the-admin-0123456789"


def begun(stack: ExitStack, folder: Path, sim: ThreadedSim, *, embedded: bool) -> Gateway:
    settings: dict[str, Any] = {
        "providers": {"sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"}},
        "models": {"m": {"targets": ["sim/m"]}},
        "keys": [{"key": ADMIN, "tenant": "ops", "admin": True}],
        "data_dir": str(folder / "data"),
        "jobs": {"poll_ms": 20, "embedded": embedded},
    }
    gateway = Gateway(folder / f"embedded {embedded}", settings)
    stack.callback(gateway.kill)
    return gateway


def test_jobs_go_on_under_another_key_of_the_name_and_end_with_one_revoked(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        first = begun(stack, tmp_path, sim, embedded=False)
        keys = {}
        for name in ("rotated", "revoked"):
            status, made = ask(first, "/admin/keys", {"name": name, "tenant": "app"}, key=ADMIN)
            assert status == 200, made
            keys[name] = made
        jobs = {}
        for name, made in keys.items():
            status, job = ask(
                first,
                "/v1/jobs",
                {"kind": "generate", "input": {"model": "m", "prompt": name}},
                key=made["key"],
            )
            assert status == 202, job
            jobs[name] = job["id"]
        path = f"/admin/keys/{keys['rotated']['id']}"
        after = {}
        for _ in range(2):
            status, after = ask(first, f"{path}/rotate", {"grace_s": 0}, key=ADMIN)
            assert status == 200, after
        path = f"/admin/keys/{keys['revoked']['id']}"
        assert ask(first, path, method="DELETE", key=ADMIN)[0] == 200
        first.kill()

        second = begun(stack, tmp_path, sim, embedded=True)
        told = {name: ended(second, job, key=after["key"]) for name, job in jobs.items()}
    assert (told["rotated"]["state"], told["rotated"]["error"]) == ("succeeded", None)
    assert told["revoked"]["state"] == "failed"
    assert told["revoked"]["error"]["code"] == "key_revoked"
    assert "submit the job again" in told["revoked"]["error"]["message"]


def test_administrators_see_and_end_the_jobs_of_all_tenants(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        gateway = begun(stack, tmp_path, sim, embedded=False)
        keys, jobs = {}, {}
        for tenant in ("a", "b"):
            new = {"name": tenant, "tenant": tenant}
            keys[tenant] = str(ask(gateway, "/admin/keys", new, key=ADMIN)[1]["key"])
            body = {"kind": "generate", "input": {"model": "m", "prompt": tenant}}
            jobs[tenant] = str(ask(gateway, "/v1/jobs", body, key=keys[tenant])[1]["id"])

        def asked(path: str, method: str | None = None, key: str = ADMIN) -> tuple[int, Any]:
            return ask(gateway, f"/admin/jobs{path}", method=method, key=key)

        def found(query: str) -> list[str]:
            return [each["id"] for each in asked(query)[1]["data"]]

        assert [asked("")[1]["data"][at]["tenant"] for at in (0, 1)] == ["b", "a"]
        assert found("?tenant=a") == [jobs["a"]]
        assert found("?order=asc&limit=1") == [jobs["a"]]
        assert found(f"?after={jobs['b']}") == [jobs["a"]]
        assert found(f"?state=waiting&after={jobs['b']}") == [jobs["a"]]
        assert found("?state=waiting&order=asc&limit=1") == [jobs["a"]]
        assert found("?state=failed") == found("?kind=video") == []
        assert "generate" in asked("")[1]["kinds"]
        assert asked("?wrong=1")[0] == 400
        assert asked("", key=keys["a"])[0] == 403
        assert asked(f"/{jobs['a']}", "DELETE", keys["b"])[0] == 403
        assert asked("/job_none", "DELETE")[0] == 404
        status, told = asked(f"/{jobs['a']}", "DELETE")
        assert (status, told["state"], told["tenant"]) == (200, "cancelled", "a")
        assert found("?state=cancelled") == [jobs["a"]]
        assert asked(f"/{jobs['b']}/retry", "POST")[0] == 409
        assert asked(f"/{jobs['a']}/retry", "POST")[0] == 202
        status, told = asked(f"/{jobs['a']}")
        assert (told["state"], told["input"]["prompt"]) == ("waiting", "a")
        assert (told["attempts"], told["losses"], told["events"]) == (0, 0, [])

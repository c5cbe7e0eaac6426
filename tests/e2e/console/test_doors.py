"""Who gets in, and how long: other sites, and sessions that end elsewhere."""

import pytest
from tests.support.browser import Chromium, Page, expect
from tests.support.browserless import Browserless
from tests.support.console import ADMIN_KEY, sign_in
from tests.support.gateway import Gateway
from tests.support.waiting import eventually

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

# What a page elsewhere may try: a form's way to write, and every way to read.
ATTACK = """async (gateway) => {
    const told = [];
    const tries = [
        ["/admin/keys", {method: "POST", mode: "no-cors", body: '{"name": "stolen"}'}],
        ["/admin/keys", {method: "POST", headers: {"x-headrace-csrf": "0"}, body: "{}"}],
        ["/admin/session", {}],
        ["/admin/session", {mode: "no-cors"}],
    ];
    for (const [path, how] of tries) {
        try {
            const answer = await fetch(gateway + path, {credentials: "include", ...how});
            told.push(answer.type === "opaque" ? "opaque" : await answer.text());
        } catch (refused) {
            told.push("refused");
        }
    }
    return told;
}"""


def key_names(browser: Browserless) -> set[str]:
    return {key["name"] for key in browser.get("/admin/keys?limit=100&order=desc").json()["data"]}


@pytest.mark.heavy
def test_a_page_at_another_port_has_no_use_of_the_cookie(
    browser: Chromium, watched: Gateway
) -> None:
    async def scenario(page: Page) -> list[str]:
        await sign_in(page)
        other = await page.context.new_page()
        # To a browser it is the same site, so the cookie goes along.
        await other.goto(f"{elsewhere}/healthz")
        told: list[str] = await other.evaluate(ATTACK, watched.url)
        return told

    admin = Browserless(watched, ADMIN_KEY)
    admin.sign_in()
    with running(SimOptions(seed=9)) as other:
        elsewhere = other.url
        told = browser.see(watched.url, scenario)
    assert set(told) <= {"opaque", "refused"}
    assert "stolen" not in key_names(admin)
    # It was not for want of a cookie (401) that it got nothing.
    eventually(lambda: "csrf_refused" in {line.get("error") for line in watched.requests()})


@pytest.mark.heavy
def test_a_page_goes_back_to_its_door_when_its_session_is_ended_elsewhere(
    browser: Chromium, watched: Gateway
) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page)
        assert admin.delete("/admin/session?all=true").status == 204
        await page.get_by_label("Administrator's key").wait_for()
        await expect(page.get_by_role("alert")).to_contain_text("The session is over")
        await page.reload()
        await page.get_by_label("Administrator's key").wait_for()

    admin = Browserless(watched, ADMIN_KEY)
    admin.sign_in()
    browser.see(watched.url, scenario, forgive="401")


def test_a_page_whose_cookie_has_run_out_says_so(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page)
        await page.context.clear_cookies()
        await page.get_by_label("Administrator's key").wait_for()
        await expect(page.get_by_role("alert")).to_contain_text("The session is over")

    browser.see(watched.url, scenario, forgive="401")


def test_signing_out_everywhere_is_asked_for_and_done(browser: Chromium, watched: Gateway) -> None:
    async def scenario(page: Page) -> None:
        await sign_in(page, "keys")
        here = page.get_by_role("region", name="Signed in")
        await expect(here).to_contain_text("operator")
        await here.get_by_role("button").click()
        await page.get_by_role("dialog").get_by_role("button", name="Leave it").click()
        assert other.get("/admin/session").status == 200
        await here.get_by_role("button").click()
        await page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
        await page.get_by_label("Administrator's key").wait_for()
        assert other.get("/admin/session").status == 401

    other = Browserless(watched, ADMIN_KEY)
    other.sign_in()
    browser.see(watched.url, scenario)


def test_a_sign_out_that_reaches_no_store_says_so(browser: Chromium, watched: Gateway) -> None:
    refusal = {"error": {"message": "A copy would still be let in.", "code": "session_not_ended"}}

    async def scenario(page: Page) -> None:
        await sign_in(page)
        await page.route("**/admin/session", lambda route: route.fulfill(status=503, json=refusal))
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("Administrator's key").wait_for()
        await expect(page.get_by_role("alert")).to_contain_text("A copy would still be let in.")

    browser.see(watched.url, scenario, forgive="503")

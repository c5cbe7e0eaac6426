# ruff: noqa: INP001 - a script, not part of a package
"""Take the pictures of docs/images that a browser shows. Needs Chromium and the extra `dev`.

python scripts/take_pictures.py                     # the console, over a load of two minutes
python scripts/take_pictures.py headrace-showcase   # the report that `headrace showcase` wrote
"""

import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from playwright.async_api import Browser, Page, async_playwright

from headrace.bench.children import started

IMAGES: Final = Path(__file__).resolve().parents[1] / "docs" / "images"
ADMIN_KEY: Final = "hr-operator"
APP_KEY: Final = "hr-shop"
ColorScheme = Literal["light", "dark"]

SCHEMES: Final[tuple[ColorScheme, ...]] = ("light", "dark")
CONSOLE_SIZE: Final = {"width": 1180, "height": 872}
REPORT_SIZE: Final = {"width": 1100, "height": 500}
LOADED_S: Final = 120
PICTURE_AT_S: Final = 110


def settings(sim: str) -> dict[str, Any]:
    """Of a gateway with something to look at."""
    return {
        "listen": {"port": 0},
        "providers": {
            "openai": {"dialect": "openai", "base_url": f"{sim}/v1"},
            "vllm": {"dialect": "openai", "base_url": f"{sim}/v1"},
        },
        "models": {
            "fast": {"targets": ["openai/gpt-4o-mini"]},
            "own": {
                "targets": ["vllm/sim-large", "openai/gpt-4o-mini"],
                "price": {"input": 0.8, "output": 3.2},
            },
        },
        "slos": [
            {"name": "availability", "kind": "availability", "objective": 0.999},
            {"name": "quick", "kind": "latency", "threshold_ms": 2000, "objective": 0.9},
        ],
        "keys": [
            {"key": APP_KEY, "tenant": "shop", "name": "shop"},
            {"key": ADMIN_KEY, "tenant": "operations", "name": "operator", "admin": True},
        ],
    }


async def picture_console(browser: Browser) -> None:
    """The overview, while a gateway is at work."""
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(
            started("simulated provider", "sim", "--port", "0", "--profile", "real", "--speed", "3")
        )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "headrace.yaml").write_bytes(msgspec.yaml.encode(settings(await sim.url())))
        gateway = await stack.enter_async_context(
            started("gateway", "serve", "--config", str(folder / "headrace.yaml"))
        )
        url = await gateway.url()
        pages = {scheme: await signed_in(browser, url, scheme) for scheme in SCHEMES}
        loads = [await load(url, model, rate) for model, rate in (("fast", 18), ("own", 6))]
        await asyncio.sleep(PICTURE_AT_S)
        for scheme, page in pages.items():
            await page.screenshot(path=IMAGES / f"console-{scheme}.png")
        for each in loads:
            await each.wait()


async def load(url: str, model: str, rate: int) -> asyncio.subprocess.Process:
    """Somebody who asks."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headrace.cli.main", "bench", "load", url, "--model", model),
        *("--rate", str(rate), "--seconds", str(LOADED_S), "--arrivals", "modulated"),
        *("--mix", "1:1:0", "--repeats", "0.6", "--api-key-env", "LOAD_KEY"),
        env={**os.environ, "LOAD_KEY": APP_KEY},
    )


async def signed_in(browser: Browser, url: str, scheme: ColorScheme) -> Page:
    """The console's overview."""
    page = await browser.new_page(viewport=CONSOLE_SIZE, color_scheme=scheme)
    await page.goto(f"{url}/ui")
    await page.get_by_label("Administrator's key").fill(ADMIN_KEY)
    await page.get_by_role("button", name="Sign in").click()
    return page


async def picture_report(browser: Browser, folder: Path) -> None:
    """The head of a report with its verdicts, and how a trial went."""
    for scheme in SCHEMES:
        page = await browser.new_page(viewport=REPORT_SIZE, color_scheme=scheme)
        await page.goto((folder / "showcase.html").resolve().as_uri())
        await page.add_style_tag(content="figure details {display: none}")
        await page.screenshot(path=IMAGES / f"showcase-{scheme}.png")
        await page.locator("#figure-timeline").screenshot(path=IMAGES / f"trial-{scheme}.png")


async def main() -> None:
    """Take those that are asked for."""
    async with async_playwright() as driver:
        chromium = shutil.which("chromium")
        browser = await driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        if sys.argv[1:]:
            await picture_report(browser, Path(sys.argv[1]))
        else:
            await picture_console(browser)


if __name__ == "__main__":
    asyncio.run(main())

"""Results of tools that were looked at while the stages were written."""

import json
import textwrap
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from benchmarks.prompt.materials import (
    CLIENTS,
    WORDS,
    clock_ms,
    paragraphs,
    prices,
    some,
    sources,
)

_START_MS: Final = 1_790_000_000_000


def list_models(random: Random) -> str:
    """An answer of an API, as most tools hand it on."""
    rows = some(random, prices(), 10, 60)
    return json.dumps({"object": "list", "data": rows, "has_more": False}, indent=2)


def get_logs(random: Random) -> str:
    """Lines of this gateway's own log."""
    at, lines = _START_MS, []
    for _ in range(random.randint(10, 60)):
        at = clock_ms(random, at, 900)
        line = {
            "time": f"2026-11-21T10:{at // 60_000 % 60:02}:{at // 1000 % 60:02}.{at % 1000:03}Z",
            "request_id": f"req_{random.randrange(16**12):012x}",
            "method": "POST",
            "path": "/v1/chat/completions",
            "status": random.choice((200, 200, 200, 429)),
            "tenant": "app",
            "client": random.choice(CLIENTS),
            "model": random.choice(("gpt-4o", "gpt-4o-mini")),
            "cache": random.choice(("l1", "miss")),
            "duration_ms": round(random.expovariate(1 / 400), 1),
        }
        lines.append(json.dumps(line, separators=(",", ":")))
    return "\n".join(lines)


def tail_server(random: Random) -> str:
    """Lines of a server's log, for people."""
    at, lines = _START_MS, []
    for _ in range(random.randint(20, 80)):
        at = clock_ms(random, at, 400)
        stamp = f"2026-11-21 10:{at // 60_000 % 60:02}:{at // 1000 % 60:02},{at % 1000:03}"
        path = f"/v1/items/{random.randint(1, 999)}"
        lines.append(f"{stamp} INFO [worker-1] GET {path} 200 in {random.randint(1, 90)} ms")
        if random.random() < 0.1:
            lines.append(f"{stamp} WARNING [worker-1] slow {random.choice(WORDS)}: waited")
    return "\n".join(lines)


def fetch_page(random: Random) -> str:
    """A page of documentation with all that surrounds it."""
    texts = random.sample(paragraphs(), random.randint(3, 8))
    body = "\n".join(
        f'      <h2 id="s{number}">{random.choice(WORDS).title()}</h2>\n      <p>{text}</p>'
        for number, text in enumerate(texts)
    )
    links = "\n".join(
        f'        <li class="nav-item"><a class="nav-link" href="/docs/{word}.html">{word}</a></li>'
        for word in WORDS
    )
    return f"""<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Headrace</title>
    <link rel="stylesheet" href="/static/site.css">
    <script>window.analytics = window.analytics || []; analytics.push(["page", "/docs"]);</script>
  </head>
  <body class="docs">
    <nav>
      <ul>
{links}
      </ul>
    </nav>
    <main>
{body}
    </main>
  </body>
</html>"""


def read_file(random: Random) -> str:
    """A file of source."""
    return random.choice(sources())[1]


def search_docs(random: Random) -> str:
    """Prose as manuals have it, broken into lines."""
    texts = random.sample(paragraphs(), random.randint(3, 9))
    return "\n\n".join(textwrap.fill(text, 78) for text in texts)


def run_tests(random: Random) -> str:
    """What a test run prints."""
    names = [path for path, _ in some(random, sources(), 10, 40)]
    lines = ["=" * 30 + " test session starts " + "=" * 30, f"collected {len(names) * 7} items", ""]
    lines += [
        f"tests/{name} {'.' * random.randint(3, 40)}   [{n:3}%]" for n, name in enumerate(names)
    ]
    return "\n".join(
        [*lines, "", f"==== {len(names) * 7} passed in {random.random() * 90:.2f}s ===="]
    )


def list_files(random: Random) -> str:
    """What `ls -l` prints."""
    rows = some(random, sources(), 15, 70)
    return "\n".join(
        f"-rw-r--r-- 1 app app {len(text):6} Nov 21 10:{len(path) % 60:02} {path}"
        for path, text in rows
    )


TOOLS: Final[Mapping[str, Callable[[Random], str]]] = {
    "list_models": list_models,
    "get_logs": get_logs,
    "tail_server": tail_server,
    "fetch_page": fetch_page,
    "read_file": read_file,
    "read_source": read_file,
    "search_docs": search_docs,
    "run_tests": run_tests,
    "list_files": list_files,
}

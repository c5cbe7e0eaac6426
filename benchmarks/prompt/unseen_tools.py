"""Results of tools that nobody looked at while the stages were written."""

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from benchmarks.prompt.materials import CLIENTS, WORDS, paragraphs, prices, some, sources


def query_db(random: Random) -> str:
    """Rows as psql prints them."""
    rows = [{k: str(v) for k, v in row.items()} for row in some(random, prices(), 15, 60)]
    names = list(rows[0])
    width = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    lines = [" " + " | ".join(name.center(width[name]) for name in names)]
    lines.append("-" + "-+-".join("-" * width[name] for name in names))
    lines += [" " + " | ".join(row[name].ljust(width[name]) for name in names) for row in rows]
    return "\n".join([*lines, f"({len(rows)} rows)"])


def get_pods(random: Random) -> str:
    """Objects in objects, as an orchestrator tells of what it runs."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": _pods(random)}, indent=4)


def _pods(random: Random) -> list[dict[str, Any]]:
    return [
        {
            "metadata": {
                "name": f"{random.choice(WORDS)}-{random.randrange(16**9):09x}",
                "labels": {"app": random.choice(WORDS), "tier": "backend"},
                "uid": f"{random.randrange(16**12):012x}",
            },
            "spec": {"nodeName": f"node-{random.randint(1, 9)}", "restartPolicy": "Always"},
            "status": {
                "phase": random.choice(("Running", "Running", "Pending")),
                "podIP": f"10.244.{random.randint(0, 9)}.{random.randint(2, 250)}",
                "containerStatuses": [{"ready": True, "restartCount": random.randint(0, 3)}],
            },
        }
        for _ in range(random.randint(4, 20))
    ]


def tail_syslog(random: Random) -> str:
    """Lines of several programs, mixed."""
    lines = []
    for second in range(random.randint(20, 90)):
        stamp = f"Nov 21 10:{second // 60:02}:{second % 60:02} edge-1"
        lines.append(
            random.choice(
                (
                    f"{stamp} sshd[{random.randint(900, 9999)}]: Connection closed by "
                    f"{random.choice(CLIENTS)} port {random.randint(30000, 60000)} [preauth]",
                    f"{stamp} kernel: [{random.random() * 9e4:.6f}] TCP: out of memory -- consider "
                    "tuning tcp_mem",
                    f"{stamp} systemd[1]: Started Session {random.randint(1, 999)} of user deploy.",
                    f"{stamp} nginx[77]: {random.choice(CLIENTS)} upstream timed out (110) while "
                    f"reading response header, request: POST /v1/{random.choice(WORDS)}",
                )
            )
        )
    return "\n".join(lines)


def open_page(random: Random) -> str:
    """A page of nested boxes with styles in them, as builders of sites make them."""
    boxes = []
    for text in random.sample(paragraphs(), random.randint(2, 6)):
        style = f'style="margin:{random.randint(0, 9)}px;display:flex" data-id="{random.random()}"'
        boxes.append(
            f'<div class="css-{random.randrange(16**5):05x} wrap"><div {style}>'
            f"<span>{text.replace('&', '&amp;').replace('<', '&lt;')}</span></div>"
            f'<svg viewBox="0 0 9 9"><path d="M0 {random.random()}L9 9z"/></svg></div>'
        )
    menu = "".join(f'<li><a href="/{w}/{random.randint(1, 99)}">{w}</a></li>' for w in WORDS)
    state = json.dumps({"boot": [random.random() for _ in range(80)]})
    return (
        f"<!doctype html>\n<html lang=en><head><title>{random.choice(WORDS)}</title>"
        f"<script>window.__STATE__={state}</script></head><body><ul>{menu}</ul>{''.join(boxes)}"
        "<footer><p>&copy; 2026</p></footer></body></html>"
    )


def view_source(random: Random) -> str:
    """A file with numbered lines, for an editor."""
    _, text = random.choice(sources())
    lines = text.split("\n")[: random.randint(60, 220)]
    return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, 1))


def ask_wiki(random: Random) -> str:
    """Paragraphs as they are, one line each; some come twice, as from an index with overlaps."""
    found = random.sample(paragraphs(), random.randint(3, 8))
    if random.random() < 0.3:
        found.append(found[0])
    return "\n\n".join(f"[{number}] {text}" for number, text in enumerate(found, 1))


def git_diff(random: Random) -> str:
    """A change to a file."""
    path, text = random.choice(sources())
    lines = text.split("\n")[40 : 40 + random.randint(20, 80)]
    body = [(random.choice("+- ") if random.random() < 0.4 else " ") + line for line in lines]
    head = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -40,9 +40,9 @@"
    return "\n".join([head, *body])


def last_errors(random: Random) -> str:
    """Traces of a program in Java."""
    traces = []
    for _ in range(random.randint(1, 5)):
        own = [
            f"\tat com.example.{w}.{w.title()}Service.run({w.title()}Service.java:{n * 7})"
            for n, w in enumerate(random.sample(WORDS, 4), 3)
        ]
        inside = [
            f"\tat org.springframework.web.filter.Filter{n}.doFilter(Filter{n}.java:{n * 11})"
            for n in range(random.randint(8, 25))
        ]
        traces.append(
            f"2026-11-21T10:{random.randint(0, 59):02}:07.{random.randint(0, 999):03}Z ERROR "
            f"[worker-{random.randint(1, 9)}] java.lang.IllegalStateException: no "
            f"{random.choice(WORDS)}\n" + "\n".join([*own, *inside])
        )
    return "\n".join(traces)


def list_orders(random: Random) -> str:
    """An answer of an API without white space, and with names in other scripts escaped."""
    names = ("Zoë Brontë", "李小龍", "Søren", "Анна", "José", "Max")
    orders = [
        {
            "orderId": random.randint(10**6, 10**7),
            "customer": {"name": random.choice(names), "vip": random.random() < 0.2},
            "lines": [
                {"sku": random.choice(WORDS), "qty": random.randint(1, 9), "price": "12.50"}
                for _ in range(random.randint(1, 4))
            ],
            "note": None,
        }
        for _ in range(random.randint(5, 25))
    ]
    return json.dumps({"page": 1, "next": None, "orders": orders}, separators=(",", ":"))


TOOLS: Final[Mapping[str, Callable[[Random], str]]] = {
    "query_db": query_db,
    "get_pods": get_pods,
    "tail_syslog": tail_syslog,
    "open_page": open_page,
    "view_source": view_source,
    "view_definition": view_source,
    "ask_wiki": ask_wiki,
    "git_diff": git_diff,
    "last_errors": last_errors,
    "list_orders": list_orders,
}

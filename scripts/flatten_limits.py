# ruff: noqa: INP001 - a script, not part of a package
"""Flatten what models take into src/headrace/prompt/window/limits.json.

Context windows are those of the genai-prices package. What a model takes and gives at the most
comes from the table in LiteLLM's wheel (MIT licence), which is read and not installed:

    pip download --no-deps litellm
    python scripts/flatten_limits.py litellm-*.whl
"""

import argparse
import re
import zipfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from genai_prices.data_snapshot import get_snapshot

from headrace.prompt.window.limits import LimitTable

# Who it is in genai-prices, and in LiteLLM.
PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "gemini",
    "mistral": "mistral",
    "groq": "groq",
    "deepseek": "deepseek",
    "openrouter": "openrouter",
    "together": "together_ai",
    "x-ai": "xai",
}
TABLE = "litellm/model_prices_and_context_window_backup.json"
MODES = ("chat", "responses", "completion", None)
TARGET = Path(__file__).parent.parent / "src" / "headrace" / "prompt" / "window" / "limits.json"
BYTES_MAX = 60_000

Row = list[int | None]


def read_wheel(wheel: Path) -> tuple[str, Mapping[str, Mapping[str, Any]]]:
    """The version of a wheel, and its table by the model's name."""
    with zipfile.ZipFile(wheel) as files:
        table = msgspec.json.decode(files.read(TABLE))
    return wheel.name.split("-")[1], table


def rows(provider: str, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Row]:
    """Context, input and output of each model of a provider; `None` for what is not known."""
    found: dict[str, Row] = {}
    prefix = f"{PROVIDERS[provider]}/"
    for name, facts in table.items():
        if facts.get("litellm_provider") == PROVIDERS[provider] and facts.get("mode") in MODES:
            sizes = [facts.get("max_input_tokens"), facts.get("max_output_tokens")]
            if all(type(size) is int and size > 0 for size in sizes):
                found[name.removeprefix(prefix).lower()] = [sizes[0], *sizes]
    for model in next(each for each in get_snapshot().providers if each.id == provider).models:
        if model.context_window is not None:
            name, size = model.id.lower(), model.context_window
            _, taken, given = found.get(name, [size, None, None])
            # One table rounds, and the other has the prompt alone where that is less.
            found[name] = [max(size, taken or 0), taken, given]
            found.setdefault(re.sub(r"-(latest|0)$", "", name), found[name])
    return found


def thinned(provider: str, found: Mapping[str, Row]) -> dict[str, Row]:
    """The same table without the names that are found by a shorter one."""
    kept: dict[str, Row] = {}
    for name in sorted(found, key=lambda name: (len(name), name)):
        context, taken, given = found[name]
        table = {"date": "", "source": "", "providers": {provider: kept}}
        limits = LimitTable(msgspec.json.encode(table)).find(provider, "openai", name)
        sizes = (context, taken or context)
        is_found = limits is not None and sizes == (limits.context, limits.input)
        if not is_found or given not in (None, limits and limits.output):
            kept[name] = [context, None if taken == context else taken, given]
    return dict(sorted(kept.items()))


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date())
    options = parser.parse_args()
    number, litellm = read_wheel(options.wheel)
    table = {
        "date": options.date.isoformat(),
        "source": f"genai-prices {version('genai-prices')}, litellm {number}",
        "providers": {name: thinned(name, rows(name, litellm)) for name in PROVIDERS},
    }
    encoded = msgspec.json.encode(table).replace(b'],"', b'],\n"')
    if len(encoded) > BYTES_MAX:
        raise SystemExit(f"{len(encoded)} bytes are more than the {BYTES_MAX} the package allows")
    TARGET.write_bytes(encoded + b"\n")


if __name__ == "__main__":
    main()

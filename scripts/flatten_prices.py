# ruff: noqa: INP001 - a script, not part of a package
"""Flatten the prices of the genai-prices package into src/headrace/routing/prices.json.

Run it after raising the version of genai-prices: `python scripts/flatten_prices.py`.
Only what prices a plain call is kept: dollars per million tokens of input, cached input and
output, of the lowest tier, without audio, images, searches or time-of-day rebates.
"""

import argparse
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from genai_prices import types
from genai_prices.data_snapshot import get_snapshot

PROVIDERS = (
    "openai",
    "anthropic",
    "google",
    "mistral",
    "groq",
    "deepseek",
    "openrouter",
    "together",
    "x-ai",
)
TARGET = Path(__file__).parent.parent / "src" / "headrace" / "routing" / "prices.json"
BYTES_MAX = 120_000
# No provider has a rebate at noon UTC.
NOON = time(12, tzinfo=UTC)


def token_price(model: types.ModelInfo, moment: datetime) -> list[float | None] | None:
    """Input, cached input and output price, `None` for a model that is not priced by the token."""
    prices = model.get_prices(moment)
    values = (prices.input_mtok, prices.cache_read_mtok, prices.output_mtok)
    price_in, cached, price_out = (
        value.base if isinstance(value, types.TieredPrices) else value for value in values
    )
    if price_in is None and price_out is None:
        return None
    return [
        float(price_in or 0),
        None if cached is None else float(cached),
        float(price_out or 0),
    ]


def clauses(match: types.MatchLogic) -> Iterator[tuple[str, str]]:
    """The alternatives of a match rule as kind and pattern."""
    if isinstance(match, types.ClauseOr):
        for alternative in match.or_:
            yield from clauses(alternative)
    elif isinstance(match, types.ClauseAnd):
        lookaheads = "".join(f"(?={pattern(part)})" for part in match.and_)
        yield "regex", f"^{lookaheads}"
    elif isinstance(match, types.ClauseEquals):
        yield "equals", match.equals.lower()
    elif isinstance(match, types.ClauseStartsWith):
        yield "starts", match.starts_with.lower()
    elif isinstance(match, types.ClauseEndsWith):
        yield "ends", match.ends_with.lower()
    elif isinstance(match, types.ClauseContains):
        yield "contains", match.contains.lower()
    else:
        yield "regex", match.regex


def pattern(match: types.MatchLogic) -> str:
    """A rule as a regular expression that is tried at the start of the text."""
    found = [
        {
            "equals": f"{re.escape(text)}$",
            "starts": re.escape(text),
            "ends": f".*{re.escape(text)}$",
            "contains": f".*{re.escape(text)}",
            "regex": text.removeprefix("^") if text.startswith("^") else f".*(?:{text})",
        }[kind]
        for kind, text in clauses(match)
    ]
    return f"(?:{'|'.join(found)})"


def flatten(provider: types.Provider, moment: datetime) -> dict[str, Any]:
    """One provider's prices, aliases (exact names) and rules (tried in order)."""
    prices: dict[str, list[float | None]] = {}
    aliases: dict[str, str] = {}
    rules: list[tuple[str, str, str]] = []
    for model in provider.models:
        price = token_price(model, moment)
        if price is not None:
            prices[model.id] = price
        owner = provider.find_model(model.id)
        if owner is not None and owner is not model:
            aliases[model.id] = owner.id
        for kind, text in clauses(model.match):
            if kind != "equals":
                rules.append((kind, text, model.id))
            elif provider.find_model(text) is model and text != model.id:
                aliases[text] = model.id
    return {
        "models": prices,
        "aliases": aliases,
        "rules": rules,
        "also": provider.fallback_model_providers or [],
    }


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date())
    day = parser.parse_args().date
    moment = datetime.combine(day, NOON)
    by_id = {provider.id: provider for provider in get_snapshot().providers}
    table = {
        "date": day.isoformat(),
        "source": f"genai-prices {version('genai-prices')}",
        "providers": {name: flatten(by_id[name], moment) for name in PROVIDERS},
    }
    encoded = msgspec.json.encode(table).replace(b'"},"', b'"},\n"').replace(b'],"', b'],\n"')
    if len(encoded) > BYTES_MAX:
        raise SystemExit(f"{len(encoded)} bytes are more than the {BYTES_MAX} the package allows")
    TARGET.write_bytes(encoded + b"\n")


if __name__ == "__main__":
    main()

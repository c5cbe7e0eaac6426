# ruff: noqa: INP001 - a script, not part of a package
"""Flatten the prices of the genai-prices package into src/headrace/routing/prices.json.

Run it after raising the version of genai-prices: `python scripts/flatten_prices.py`.
What prices a call by its tokens is kept: dollars per million tokens of input, cached input, output
and input written to the provider's cache, for long prompts, for batches, and from which day on.
Audio, images, searches, regions and faster or slower service are left out. Where a price depends on
the time of day, it is that of noon UTC.
"""

import argparse
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
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
BYTES_MAX = 200_000
# No provider has a rebate at noon UTC.
NOON = time(12, tzinfo=UTC)
FIELDS = (
    "input_mtok",
    "cache_read_mtok",
    "output_mtok",
    "cache_write_mtok",
    "cache_write_1h_mtok",
)

Row = list[Any]


def rates(prices: types.ModelPrice, above_tokens: int) -> Row:
    """One row: input, cached input, output, cache writes of five minutes and of an hour."""
    row = [at_length(getattr(prices, field), above_tokens) for field in FIELDS]
    row[0], row[2] = row[0] or 0.0, row[2] or 0.0
    while row[-1] is None:
        row.pop()
    return row


def at_length(value: Any, tokens: int) -> float | None:
    """What a token costs in a prompt of more than so many."""
    if isinstance(value, types.TieredPrices):
        reached = [tier.price for tier in value.tiers if tier.start <= tokens]
        value = reached[-1] if reached else value.base
    return None if value is None else float(value)


def row_of(prices: types.ModelPrice) -> Row | None:
    """The row of a price, with those of longer prompts; `None` where tokens have none."""
    if prices.input_mtok is None and prices.output_mtok is None:
        return None
    starts = sorted(
        {
            tier.start
            for field in FIELDS
            if isinstance(value := getattr(prices, field), types.TieredPrices)
            for tier in value.tiers
        }
    )
    row = rates(prices, -1)
    return (
        [*row, {"above": [[start, *rates(prices, start)] for start in starts]}] if starts else row
    )


def price(model: types.ModelInfo, moment: datetime) -> Row | None:
    """The row that holds at a moment, with its batch row."""
    row = row_of(model.get_prices(moment))
    has_batch = any(
        variant.when == {"processing": "batch"}
        and (variant.constraint is None or variant.constraint.active(moment))
        for variant in model.price_variants or ()
    )
    if row is None or not has_batch:
        return row
    batch = row_of(model.get_prices(moment, {"processing": "batch"}))
    extras = row[-1] if isinstance(row[-1], dict) else {}
    plain = row[:-1] if extras else row
    return [*plain, {**extras, "batch": batch}]


def dated(model: types.ModelInfo, day: date) -> Row | None:
    """The row of a model, or those of all times, each with the day from which on it holds."""
    first = date(2000, 1, 1)
    starts = {
        each.constraint.start_date
        for each in (model.prices if isinstance(model.prices, list) else ())
        if isinstance(each.constraint, types.StartDateConstraint)
    }
    days = [first, *sorted(starts)]
    kept: list[tuple[str, Row | None]] = []
    for start, following in zip(days, [*days[1:], date.max], strict=True):
        # Of a price that holds today, as it is today: batches had none at first.
        told = min(following - timedelta(days=1), max(start, day))
        row = price(model, datetime.combine(told, NOON))
        if row is not None and (not kept or row != kept[-1][1]):
            kept.append(("" if start == first else start.isoformat(), row))
    if not kept:
        return None
    return kept[0][1] if len(kept) == 1 and not kept[0][0] else [{"since": kept}]


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


def flatten(provider: types.Provider, day: date) -> dict[str, Any]:
    """One provider's prices, aliases (exact names) and rules (tried in order)."""
    prices: dict[str, Row] = {}
    aliases: dict[str, str] = {}
    rules: list[tuple[str, str, str]] = []
    for model in provider.models:
        row = dated(model, day)
        if row is not None:
            prices[model.id] = row
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
    by_id = {provider.id: provider for provider in get_snapshot().providers}
    table = {
        "date": day.isoformat(),
        "source": f"genai-prices {version('genai-prices')}",
        "providers": {name: flatten(by_id[name], day) for name in PROVIDERS},
    }
    encoded = msgspec.json.encode(table).replace(b'"},"', b'"},\n"').replace(b'],"', b'],\n"')
    if len(encoded) > BYTES_MAX:
        raise SystemExit(f"{len(encoded)} bytes are more than the {BYTES_MAX} the package allows")
    TARGET.write_bytes(encoded + b"\n")


if __name__ == "__main__":
    main()

"""Marking a request: what the gateway calls."""

from typing import Any

import msgspec

from headrace.model import DialectName
from headrace.prompt.marks.anthropic import mark_messages
from headrace.prompt.marks.habits import Advice
from headrace.prompt.marks.openai import mark_chat
from headrace.prompt.marks.order import ordered
from headrace.prompt.marks.prefix import Prefix, key_of
from headrace.prompt.marks.report import MarkReport, MarkRules


def mark_document(
    document: dict[str, Any],
    *,
    dialect: DialectName,
    model: str,
    rules: MarkRules,
    prefix: Prefix,
    advice: Advice,
) -> tuple[dict[str, Any], MarkReport]:
    """The same request with what makes its provider keep the beginning of the prompt.

    Text, tools and their order stay as they are, unless the rules want an order; what the caller
    set is never changed. The document itself is left alone.

    Args:
        document: a chat or messages request.
        dialect: its grammar.
        model: as the provider names it.
        rules: how requests to this provider are marked.
        prefix: where the request stands among others.
        advice: what is known of how soon its beginning is asked for again.
    """
    in_order = ordered(document) if rules.is_ordered else document
    if dialect == "anthropic":
        marked, report = mark_messages(in_order, model=model, rules=rules, advice=advice)
    else:
        key = key_of(prefix, advice.shards)
        marked, report = mark_chat(in_order, model=model, key=key, advice=advice)
    if in_order is not document:
        report = msgspec.structs.replace(report, is_ordered=True)
    return marked, report

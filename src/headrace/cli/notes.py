"""What `serve` and `config check` note of settings that can be used."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.settings import Settings


def notes(settings: "Settings") -> Iterator[str]:
    """What has no effect, or hardly the one that is meant; a sentence each."""
    from headrace.settings import notices

    yield from notices(settings)
    asked = [(at, each.model) for at, each in enumerate(settings.budgets) if each.model is not None]
    if asked:
        yield from _strange_models(settings, asked)


def _strange_models(settings: "Settings", asked: list[tuple[int, str]]) -> Iterator[str]:
    """Models of budgets that are neither configured nor in the price table."""
    from headrace.routing.prices import PriceTable

    table = PriceTable.load()
    targets = {each.target for model in settings.models.values() for each in model.targets}
    named = {*settings.models, *settings.tiers, *settings.intents, *targets}
    known = named | {target.partition("/")[2] for target in targets}
    for at, model in asked:
        provider, slash, name = model.partition("/")
        sold_by = settings.providers
        if slash and provider in sold_by:
            places = [(provider, name)]
        else:
            places = [(each, model) for each in sold_by]
        is_sold = any(table.find(each, sold_by[each].dialect, what) for each, what in places)
        if model not in known and not is_sold:
            near = get_close_matches(model, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            yield (
                f"budgets[{at}].model, {model!r}, is neither configured nor in the price table: "
                f"it may be that nothing ever counts in it.{hint}"
            )

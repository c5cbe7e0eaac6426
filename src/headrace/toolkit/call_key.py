"""The key of a call: two calls have the same key only if they say the same.

What counts as the same:
- `f(1, b=2)` and `f(a=1, b=2)`, and keyword arguments in any order; not an argument left out and
  the same given as its default says.
- Values of the same type that are equal: 1, 1.0 and True are three. So are 0.0 and -0.0; all NaN
  are one. This holds inside of lists, tuples, sets and mappings too.
- Mappings and sets in any order; a list and a tuple of the same are two. Of the ordered subclasses
  of `dict` the order counts.
- Any other object by its own `==` and `hash`, apart from objects of other types. It is held as long
  as the key is; only the `self` of a method is not.

The way of most calls is short: what has to be done for a spelling (how many arguments, which names,
which types) is remembered, and most values are taken as they are.
"""

import inspect
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Final
from weakref import ref

import msgspec

from headrace.toolkit.freezing import Freeze, Mark, freezer

# Spellings of one function that are remembered; one more is worked out each time.
SPELLINGS_MAX: Final = 256

Order = Callable[[tuple[Any, ...]], tuple[Any, ...]]


class Recipe(msgspec.Struct, frozen=True):
    """How the key of one spelling is made.

    Attributes:
        mark: the spelling in its one order: number of positional arguments, names, types.
        order: puts the values in that order; `None` where they are.
        freezes: which values are not taken as they are, and what is made of them.
    """

    mark: Mark | tuple[Hashable, ...]
    order: Order | None
    freezes: tuple[tuple[int, Freeze], ...]


class CallKeys:
    """Makes the keys of one function's calls.

    Args:
        function: whose calls.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._names = _positional_names(function)
        self._is_method = _is_method(function, self._names)
        self._recipes: dict[tuple[Any, ...], Recipe] = {}
        self._marks: dict[tuple[Hashable, ...], Mark] = {}

    def key(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Hashable:
        """The key of a call.

        Raises:
            TypeError: an argument cannot be part of a key.
        """
        values = (*args, *kwargs.values()) if kwargs else args
        spelling = (len(args), *kwargs, *map(type, values))
        recipe = self._recipes.get(spelling)
        if recipe is None:
            recipe = self._learn(spelling, tuple(kwargs), tuple(map(type, values)))
        if recipe.order is not None:
            values = recipe.order(values)
        if not recipe.freezes:
            return (recipe.mark, *values)
        frozen = list(values)
        try:
            for place, inner in recipe.freezes:
                frozen[place] = inner(frozen[place])
        except RecursionError:
            raise TypeError("an argument holds itself, or is too deep for a key") from None
        return (recipe.mark, *frozen)

    def _learn(
        self, spelling: tuple[Any, ...], names: tuple[str, ...], kinds: tuple[type, ...]
    ) -> Recipe:
        """Work out a spelling: the last of the arguments have names, and each has its type."""
        count = len(kinds) - len(names)
        places = list(range(count))
        while len(places) < len(self._names) and self._names[len(places)] in names:
            places.append(count + names.index(self._names[len(places)]))
        positional = len(places)
        named = sorted(set(range(len(kinds))) - set(places), key=lambda at: names[at - count])
        places += named
        sorted_names = (names[at - count] for at in named)
        sorted_kinds = [kinds[at] for at in places]
        recipe = Recipe(
            self._mark((positional, *sorted_names, *sorted_kinds)),
            None if places == list(range(len(places))) else itemgetter(*places),
            tuple(self._freezes(sorted_kinds)),
        )
        if len(self._recipes) < SPELLINGS_MAX:
            self._recipes[spelling] = recipe
        return recipe

    def _mark(self, canonical: tuple[Hashable, ...]) -> Mark | tuple[Hashable, ...]:
        mark = self._marks.get(canonical)
        if mark is None and len(self._marks) < SPELLINGS_MAX:
            # Of two threads, one makes the mark that both use.
            return self._marks.setdefault(canonical, Mark(canonical))
        return mark or canonical

    def _freezes(self, kinds: Iterable[type]) -> Iterator[tuple[int, Freeze]]:
        for place, kind in enumerate(kinds):
            if place == 0 and self._is_method and _can_be_weak(kind):
                yield place, ref
            elif (inner := freezer(kind)) is not None:
                yield place, inner


def check_owner(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    """Make sure that a call of a method is told with its instance, or class.

    An attribute of a method that is asked of an instance knows nothing of it.

    Raises:
        TypeError: it is missing.
    """
    names = _positional_names(function)
    owner = getattr(function, "__qualname__", "").rpartition(".")[0]
    if not owner or owner.endswith("<locals>") or names[:1] not in (("self",), ("cls",)):
        return
    first = args[0] if args else kwargs.get(str(names[0]))
    kind = first if isinstance(first, type) else type(first)
    if not any(each.__qualname__ == owner for each in kind.__mro__):
        raise TypeError(
            f"of a method, name the instance first: {function.__qualname__}.invalidate(instance, "
            "...)"
        )


def _positional_names(function: Callable[..., Any]) -> tuple[str | None, ...]:
    """Names of the positional parameters in order; `None` for one without a usable name."""
    try:
        parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    except (TypeError, ValueError):  # some functions written in C do not tell
        return ()
    names: list[str | None] = []
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            names.append(parameter.name)
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            names.append(None)
    return tuple(names)


def _is_method(function: Callable[..., Any], names: tuple[str | None, ...]) -> bool:
    outer = getattr(function, "__qualname__", "").rpartition(".")[0]
    return bool(outer) and not outer.endswith("<locals>") and names[:1] == ("self",)


def _can_be_weak(kind: type) -> bool:
    return kind.__weakrefoffset__ != 0 and kind.__hash__ is not None

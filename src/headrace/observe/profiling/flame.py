"""Flame graphs: stacks as a tree of boxes, whose width is how often they were seen (Brendan Gregg,
Communications of the ACM 59, 2016). Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from headrace.observe.profiling.stacks import Stack

# Below this share of all samples a box is too narrow to be seen.
_SHARE_MIN: Final = 0.0005
# Deeper calls belong to the last box: a document of boxes can be no deeper than its encoder goes.
_DEPTH_MAX: Final = 300


class Box(msgspec.Struct):
    """A function, called by those below it.

    Attributes:
        name: of the function.
        count: samples in it or in what it called.
        before: the same of the profile that this one is compared with.
        inside: what it called.
    """

    name: str
    count: int = 0
    before: int = 0
    inside: list["Box"] = []


def flame(stacks: Mapping[Stack, int], before: Mapping[Stack, int] | None = None) -> Box:
    """The tree of a profile, or of two; no deeper than 300 calls.

    Args:
        stacks: those of the profile; its boxes have their width.
        before: those of the one that it is compared with.
    """
    root = Box("all")
    places: dict[Stack, Box] = {}
    for stack, count in sorted(stacks.items()):
        for box in _path(root, places, stack):
            box.count += count
    for stack, count in sorted((before or {}).items()):
        for box in _path(root, places, stack):
            box.before += count
    _prune(root, root.count * _SHARE_MIN, root.before * _SHARE_MIN)
    return root


def _path(root: Box, places: dict[Stack, Box], stack: Stack) -> list[Box]:
    path, above = [root], root
    for depth in range(1, min(len(stack), _DEPTH_MAX) + 1):
        box = places.get(stack[:depth])
        if box is None:
            box = places[stack[:depth]] = Box(stack[depth - 1])
            above.inside.append(box)
        path.append(box)
        above = box
    return path


def _prune(box: Box, count_min: float, before_min: float) -> None:
    box.inside = [each for each in box.inside if each.count > count_min or each.before > before_min]
    for each in box.inside:
        _prune(each, count_min, before_min)

"""What `headrace intent` does: from files to weights, and to what is shown of them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console
from rich.table import Table

from headrace.errors import SettingsInvalid

try:
    from headrace.routing.intent.classifier import IntentClassifier
    from headrace.routing.intent.lines import Labelled, check_trainable, read_lines
    from headrace.routing.intent.training import TrainRules
    from headrace.routing.intent.trial import Figures, examined, fit
    from headrace.routing.intent.weights import UNKNOWN, Weights, read_weights
except ImportError as missing:
    raise SettingsInvalid(
        f"a package is missing ({missing}). Install what it needs: pip install 'headrace[intent]'"
    ) from missing

_MISTAKES_SHOWN: Final = 10
_LINES_BYTES_MAX: Final = 256 << 20
_Read = TypeVar("_Read")


def run_train(file: Path, out: Path | None, seed: int) -> None:
    """Learn from labelled lines, show how well, write the weights.

    Raises:
        SettingsInvalid: the lines cannot be read, or nothing can be learnt from them.
    """
    labelled = _read(file, read_lines)
    check_trainable(labelled.examples)
    console = Console()
    _show_lines(console, labelled)
    trained = fit(labelled.examples, TrainRules(seed=seed))
    _show(console, trained.figures)
    if out is None:
        console.print("\nNothing is written: --out MODEL keeps the weights.")
        return
    data = trained.weights.to_bytes()
    out.write_bytes(data)
    told = f"\n{out}: {len(data) / 1024:.0f} KiB, {len(trained.weights.names)} intents"
    console.print(told, soft_wrap=True, highlight=False)


def run_check(model: Path, file: Path) -> None:
    """Show how weights do on labelled lines.

    Raises:
        SettingsInvalid: one of the files cannot be used.
    """
    weights = _read(model, read_weights)
    labelled = _read(file, read_lines)
    if not labelled.examples:
        raise SettingsInvalid(f"{file}: there are no lines")
    console = Console()
    _show_lines(console, labelled)
    _show_strangers(console, weights, labelled)
    _show(console, examined(weights, labelled.examples))


def run_classify(model: Path, text: str) -> None:
    """Show what a text wants.

    Raises:
        SettingsInvalid: the weights cannot be used.
    """
    classifier = IntentClassifier(_read(model, read_weights))
    intent = classifier.classify(sys.stdin.read() if text == "-" else text)
    print(f"{intent.name}  {intent.confidence:.2f}  ({intent.why})")


def _read(path: Path, read: Callable[[bytes], _Read]) -> _Read:
    try:
        if path.stat().st_size > _LINES_BYTES_MAX:
            raise SettingsInvalid(f"{path}: larger than {_LINES_BYTES_MAX >> 20} MiB")
        return read(path.read_bytes())
    except OSError as error:
        raise SettingsInvalid(f"{path}: cannot be read: {error.strerror}") from None
    except SettingsInvalid as error:
        raise SettingsInvalid(f"{path}: {error.message.removeprefix(f'{path}: ')}") from error


def _show_lines(console: Console, labelled: Labelled) -> None:
    doubles = f", {labelled.doubles} that were there before left out" if labelled.doubles else ""
    console.print(f"{len(labelled.examples)} lines{doubles}")
    for remark in labelled.remarks:
        console.print(f"  {remark}")


def _show_strangers(console: Console, weights: Weights, labelled: Labelled) -> None:
    known = {*weights.names, UNKNOWN}
    strangers = sorted({each.intent for each in labelled.examples} - known)
    if strangers:
        console.print(f"  not in the weights, so counted as unknown: {', '.join(strangers)}")


def _show(console: Console, figures: Figures) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("intent")
    for column in ("lines", "precision", "recall"):
        table.add_column(column, justify="right")
    for name, own in sorted(figures.intents.items()):
        if own.texts or own.found:
            table.add_row(name, str(own.texts), f"{own.precision:.3f}", f"{own.recall:.3f}")
    console.print(table)
    console.print(f"\naccuracy          {figures.accuracy:.3f}  right among the intents")
    console.print(f"told at all       {figures.kept:.3f}  of an intent, and not taken for unknown")
    if figures.auroc is not None:
        console.print(f"unknown found     {figures.unknown_found:.3f}  of {figures.unknown_texts}")
        console.print(f"unknown, AUROC    {figures.auroc:.3f}")
    if figures.mistaken:
        console.print("\nmost often mistaken:")
        for right, taken, number in figures.mistaken[:_MISTAKES_SHOWN]:
            console.print(f"  {number:>4}  {right} taken for {taken}")

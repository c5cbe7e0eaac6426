"""What users call an arm: a commit, a settings file, a URL, or what runs now."""

from pathlib import Path
from typing import Any, Final

from headrace.bench import documents
from headrace.bench.load.crew import Target
from headrace.bench.trials.arms import Arm
from headrace.bench.trials.commits import Commit
from headrace.bench.trials.trial import Conditions

HERE: Final = "."


def arm_of(name: str, typed: str, conditions: Conditions) -> Arm:
    """An arm by what was typed for it.

    Args:
        name: what it is called.
        typed: `.`, `http://HOST:PORT`, `FILE.yaml`, or what git takes for a commit.
        conditions: whether it may be another machine.

    Raises:
        SettingsInvalid: there is no such thing, or it cannot be tried.
        OSError: the file cannot be read.
    """
    if typed == HERE:
        return Arm(name=name)
    if "://" in typed:
        Target.of(typed, is_consented=conditions.is_consented)
        return Arm(name=name, url=typed)
    if typed.endswith((".yaml", ".yml")):
        text = documents.text_of(Path(typed), "settings file")
        read = documents.read(text, typed, dict[str, Any], "settings file")
        return Arm(name=name, settings=read.value)
    return Arm(name=name, commit=Commit.named(Path.cwd(), typed))

"""Progress shows itself only when it is worth it."""

from io import StringIO

from rich.console import Console

from headrace.cli.late_progress import LateProgress


class Times:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def shown(*times_s: float, terminal: bool = True) -> tuple[bool, str]:
    times, written = Times(), StringIO()
    console = Console(file=written, force_terminal=terminal, width=60, color_system=None)
    with LateProgress(console, times) as progress:
        progress.begin("seed 1")
        for now_s in times_s:
            times.now_s = now_s
            progress.tell("lru at 2%")
        is_shown = progress.is_shown
    return is_shown, written.getvalue()


def test_quick_work_shows_nothing() -> None:
    assert shown(0.0, 0.5, 0.9) == (False, "")


def test_slow_work_says_what_it_does_and_leaves_the_cursor_as_it_was() -> None:
    is_shown, written = shown(0.0, 1.5)
    assert is_shown
    assert "seed 1: lru at 2%" in written
    hidden, restored = written.rfind("\x1b[?25l"), written.rfind("\x1b[?25h")
    assert 0 <= hidden < restored


def test_what_is_no_terminal_gets_nothing() -> None:
    assert shown(0.0, 1.5, terminal=False)[1] == ""

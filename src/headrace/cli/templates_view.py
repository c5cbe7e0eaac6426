"""What `headrace templates` prints."""

import difflib
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from headrace.errors import InvalidRequest, SettingsInvalid
from headrace.prompt.templates.registry import TemplateInfo, TemplateRegistry
from headrace.prompt.templates.template import Template


def show_list(folder: Path, *, as_json: bool) -> None:
    """Print every template of a directory."""
    infos = TemplateRegistry(folder).templates()
    if as_json:
        _print_json(infos)
        return
    table = Table("TEMPLATE", "VERSIONS", "LABELS", "TAKES", "WHAT FOR", box=None, pad_edge=False)
    for info in infos:
        table.add_row(*map(escape, _row(info)))
    Console().print(table if infos else f"No templates in {escape(str(folder))}.")


def show_check(folder: Path, *, as_json: bool) -> None:
    """Print whether every file can be used.

    Raises:
        Exit: with 1 where one cannot.
    """
    try:
        registry = TemplateRegistry(folder)
    except SettingsInvalid as error:
        if as_json:
            _print_json({"ok": False, "problems": error.message.splitlines()})
        else:
            typer.echo(error.message, err=True)
        raise typer.Exit(1) from None
    count, notes = registry.precompile_all(), list(_notes(registry))
    if as_json:
        _print_json({"ok": True, "files": count, "notes": notes})
        return
    typer.echo(f"ok: {count} files, {len(registry.templates())} templates")
    for note in notes:
        typer.echo(f"note: {note}")


def show_rendered(
    folder: Path, name: str, values: Sequence[str], file: Path | None, *, as_json: bool
) -> None:
    """Print the messages of a template.

    Raises:
        InvalidRequest: the variables cannot be read, or are not what it wants.
    """
    given = {**(_read_variables(file) if file is not None else {}), **_read_values(values)}
    rendered = TemplateRegistry(folder).render(name, variables=given)
    if as_json:
        told = {"template": rendered.name, "model": rendered.model or None}
        _print_json({**told, "config": rendered.config, "messages": rendered.messages})
        return
    console = Console(highlight=False)
    for message in rendered.messages:
        console.print(Text(message["role"], style="bold cyan"))
        console.print(Text(message["content"]), soft_wrap=True)
        console.print()


def show_diff(folder: Path, name: str, old: str, new: str, *, as_json: bool) -> None:
    """Print what changed between two versions, as `diff -u` does.

    Raises:
        Exit: with 1 where they differ.
    """
    registry = TemplateRegistry(folder)
    first, second = (registry.find(f"{name}@{which}") for which in (old, new))
    lines = list(
        difflib.unified_diff(
            _lines(registry, first), _lines(registry, second), first.key, second.key, lineterm=""
        )
    )
    if as_json:
        told = {"old": first.key, "new": second.key, "same": not lines}
        _print_json({**told, "variables": _changed(first, second), "diff": lines})
    elif not lines:
        typer.echo(f"{first.key} and {second.key} are the same.")
    else:
        text = "\n".join(lines)
        console = Console(highlight=False)
        shown: Any = (
            Syntax(text, "diff", background_color="default") if console.is_terminal else text
        )
        console.print(shown, markup=False, soft_wrap=True)
        for what, names in _changed(first, second).items():
            if names:
                typer.echo(f"variables {what}: {', '.join(names)}")
    if lines:
        raise typer.Exit(1)


def _print_diff(text: str) -> None:
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(Syntax(text, "diff", background_color="default", word_wrap=True))
    else:
        typer.echo(text)


def _row(info: TemplateInfo) -> tuple[str, ...]:
    return (
        info.name,
        ", ".join(map(str, info.versions)) or "draft",
        ", ".join(f"{label}: {number}" for label, number in info.labels.items()),
        ", ".join(
            name + ("?" if told.endswith("(optional)") else "")
            for name, told in info.variables.items()
        ),
        info.description,
    )


def _notes(registry: TemplateRegistry) -> Iterable[str]:
    """What is declared and never used."""
    shelf = registry.shelf
    for key, template in shelf.templates.items():
        used = set().union(*(shelf.press.names_used(each) for each in (key, *template.includes)))
        for name in template.wanted.shape.fields:
            if name not in used:
                yield f"{template.path}: {name} is declared and never used"


def _changed(first: Template, second: Template) -> Mapping[str, list[str]]:
    before, after = first.wanted.shape.fields, second.wanted.shape.fields
    return {
        "added": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "changed": sorted(name for name in after if before.get(name, after[name]) != after[name]),
    }


def _lines(registry: TemplateRegistry, template: Template) -> list[str]:
    return (registry.path / template.path).read_text("utf-8").splitlines()


def _read_variables(file: Path) -> dict[str, Any]:
    body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{file}: expected a JSON object of variables: {error}") from None


def _read_values(values: Sequence[str]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for each in values:
        name, sign, value = each.partition("=")
        if not sign:
            raise InvalidRequest(f"--set takes NAME=VALUE, not {each!r}")
        try:
            read[name] = msgspec.json.decode(value.encode(errors="surrogatepass"))
        except (msgspec.DecodeError, UnicodeDecodeError):
            read[name] = value
    return read


def _print_json(value: object) -> None:
    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    typer.echo(text.decode())

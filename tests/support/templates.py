"""Directories of templates for tests."""

from collections.abc import Mapping
from pathlib import Path

from headrace.prompt.templates.registry import TemplateRegistry


def write_prompts(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def registry_of(root: Path, **files: str) -> TemplateRegistry:
    """A registry of files whose names are keywords; `__` stands for `/`."""
    named = {f"{name.replace('__', '/')}.prompt": text for name, text in files.items()}
    return TemplateRegistry(write_prompts(root, named))


def front(schema: str, more: str = "") -> str:
    """Front matter with an `input.schema`, whose lines are given without indent."""
    lines = "".join(f"    {line}\n" for line in schema.splitlines())
    return f"---\n{more}input:\n  schema:\n{lines}---\n"


ASK = front("question: string", "model: m\nconfig: {temperature: 0.5, maxOutputTokens: 99}\n") + (
    '{{role "system"}}\nBe brief.\n{{history}}\n{{role "user"}}\n{{ question }}\n'
)

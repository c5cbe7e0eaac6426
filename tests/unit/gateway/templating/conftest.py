"""A directory of templates for all tests here."""

from pathlib import Path

import pytest
from tests.support.templates import ASK, write_prompts


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    files = {"ask/1.prompt": ASK, "ask/2.prompt": ASK.replace("brief", "long")}
    return write_prompts(tmp_path, {**files, "ask/labels.yaml": "production: 1\n"})

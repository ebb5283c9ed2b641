"""README's commands are understood; tests/test_readme_runs.py runs them.

A block fenced as ```sh``` is a list of commands. `make` targets must exist, `lapis` commands must parse.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from lapis import cli
from tests.conftest import ROOT

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "DESIGN.md",
    "docs/cluster.md",
    "docs/serving.md",
    "docs/act.md",
    "docs/mixture.md",
    "docs/look.md",
    "docs/rl.md",
)


def commands() -> Iterator[list[str]]:
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            yield from (words for words in (shlex.split(line, comments=True) for line in lines) if words)


def of(program: str) -> list[list[str]]:
    """Each command once, without the program's name."""
    found = (tuple(words[1:]) for words in commands() if words[0].removeprefix(".venv/bin/") == program)
    return [list(words) for words in dict.fromkeys(found)]


def test_readme_has_the_two_commands() -> None:
    assert ["demo"] in of("make") and ["test"] in of("make")


@pytest.mark.parametrize("words", of("make"), ids=" ".join)
def test_make_targets_exist(words: list[str]) -> None:
    done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [words for words in of("lapis") if "--help" not in words], ids=" ".join)
def test_lapis_commands_are_understood(words: list[str]) -> None:
    assert cli.parse(words).verb == words[0]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|srcset|href)="([^"#]+)"', text)
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not ((ROOT / page).parent / link).exists()] == []


def guide() -> str:
    """One line per file: its place and the first line of its docstring."""
    lines = ["| file | what it is |", "| --- | --- |"]
    for path in sorted((ROOT / "lapis").rglob("*.py")):
        first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
        name = path.relative_to(ROOT / "lapis").as_posix()
        if path.name != "__init__.py":
            lines.append(f"| `{name}` | {first.rstrip('.').replace('|', chr(92) + '|')} |")
        elif path.parent.name != "lapis":
            lines.append(f"| **`{name.removesuffix('__init__.py')}`** | {first.rstrip('.')} |")
    return "\n".join(lines)


def test_every_file_has_its_line_in_the_design(update_goldens: bool) -> None:
    page = ROOT / "DESIGN.md"
    before, _, rest = page.read_text(encoding="utf-8").partition("<!-- files -->\n")
    found, _, after = rest.partition("\n<!-- /files -->")
    if update_goldens:
        page.write_text(f"{before}<!-- files -->\n{guide()}\n<!-- /files -->{after}", encoding="utf-8")
    else:
        assert found == guide()

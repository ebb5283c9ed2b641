"""The shape that the code keeps: who imports whom, how long things are, what no file may say, options that are read."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "lapis").rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

BASE = {"types", "files", "said", "shape", "config", "chat", "verify", "hub", "plug", "actions", "outside", "native"}
BASE |= {"constraints", "data_config", "sandbox", "reward_config", "rl_fleet", "endpoint", "remote", "service_config"}
ALLOWED: dict[str, set[str]] = {
    "types": set(),
    "files": {"types"},
    "said": set(),
    "overrides": {"types"},
    "shape": set(),
    "endpoint": {"types", "shape"},
    "data_config": {"types", "overrides", "shape", "endpoint"},
    "machines": {"shape"},
    "rl_fleet": {"shape"},
    "config": {"types", "overrides", "shape", "machines", "data_config", "rl_fleet", "reward_config"},
    "chat": {"types"},
    "constraints": {"types"},
    "actions": {"types"},
    "sandbox": {"types", "said"},
    "reward_config": {"types", "shape", "endpoint"},
    "remote": {"types", "chat", "endpoint"},
    "service_config": {"shape", "reward_config", "endpoint"},
    "verify": {"types", "config", "chat", "actions", "constraints", "sandbox"},
    "hub": {"types", "said"},
    "plug": {"types"},
    "outside": {"types", "said"},
    "native": {"types", "files", "config", "said"},
    "model": {"types", "config"},
    "model.adapter": {"types", "config", "plug"},
    "model.init": {"types", "config", "chat", "hub"},
    "model.source": {"types", "config", "chat", "hub"},
    "processor": {*BASE, "model"},
    "data": {*BASE, "model.anyres"},
    "dist": {*BASE, "model", "data"},
    "train": {*BASE, "model", "data", "dist", "export.hf"},
    "serve": {*BASE, "model"},
    "export": {*BASE, "model"},
    "act": {*BASE, "model.anyres", "data", "eval.stats"},
    "plan": {*BASE, "overrides", "model", "data", "dist", "train"},
    "rl": {*BASE, "model", "data", "dist", "train", "export.hf", "eval.stats"},
    "rl.rollout": {*BASE, "model", "data", "dist", "train", "serve"},
    "rl.fleet.engine": {*BASE, "model", "data", "dist", "serve"},
    "rl.fleet.outside": {*BASE, "model", "dist", "serve", "export.hf"},
    "eval": {*BASE, "model", "data", "serve"},
    "timeline": {"types", "files"},
    "report": {*BASE, "eval", "report_parts", "timeline"},
    "report_parts": {*BASE, "eval", "timeline"},
    "data_pages": {*BASE, "data", "report_parts"},
}
"""Part to what it may import of lapis besides itself. What is not here (cli and its helpers, recipes) is the top."""
TOP = {"", "__init__", "__main__", "cli", "coherent", "frame", "launch", "named", "run", "terminal", "progress"}
TOP |= {
    "act_verb",
    "rl_verb",
    "proxies",
    "proxy_pool",
    "building",
    "data_cluster",
    "data_models",
    "data_verbs",
    "device_verbs",
    "llama_verbs",
    "parsing",
    "recipes",
    "reward_verb",
    "service_verb",
    "serving",
    "verbs",
    "watch",
}


def part(module: str) -> str:
    return module.split(".")[0]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "lapis").with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST) -> Iterator[str]:
    """Modules of lapis that a file imports, also inside functions: `model.convert`, `types`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.removeprefix("lapis.") for name in node.names if name.name.startswith("lapis."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lapis":
            base = node.module.removeprefix("lapis").removeprefix(".")
            yield from (_module(base, name.name) for name in node.names)


def _module(base: str, name: str) -> str:
    full = f"{base}.{name}".strip(".")
    place = ROOT / "lapis" / Path(*full.split("."))
    return full if place.with_suffix(".py").is_file() or place.is_dir() else base


def may(module: str, other: str) -> bool:
    if part(other) == part(module):
        return True
    allowed = ALLOWED.get(module, ALLOWED.get(part(module)))
    assert allowed is not None, f"{module}: say in this test what it may import"
    return any(other == name or other.startswith(name + ".") for name in allowed)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_run_one_way(path: Path) -> None:
    module = module_of(path)
    if part(module) in TOP:
        return
    assert [other for other in imports(TREES[path]) if part(other) in TOP or not may(module, other)] == []


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_are_short_and_open_with_what_they_are(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert ast.get_docstring(TREES[path])


def functions() -> list[tuple[str, int]]:
    """(place, lines without the docstring) of every function."""
    found = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                docstring = node.body[0] if ast.get_docstring(node) else None
                spared = docstring.end_lineno - docstring.lineno + 1 if docstring and docstring.end_lineno else 0
                found.append((f"{module_of(path)}.{node.name}", node.end_lineno - node.lineno + 1 - spared))
    return found


def test_functions_are_short() -> None:
    sizes = functions()
    assert statistics.median(lines for _, lines in sizes) <= 10
    assert [place for place, lines in sizes if lines > 60] == []
    assert sum(lines <= 45 for _, lines in sizes) >= 0.95 * len(sizes)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_what_is_public_has_a_docstring(path: Path) -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    bare = [
        node.name
        for node in TREES[path].body
        if isinstance(node, kinds) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert bare == []


def test_every_option_is_read() -> None:
    """Each field of the config dataclasses is an attribute that some other file reads, or is passed on whole."""
    names = ("config.py", "shape.py", "rl_fleet.py", "endpoint.py", "reward_config.py", "service_config.py")
    files = [ROOT / "lapis" / name for name in names]
    files += [path for path in FILES if path.parent.name == "data_config"]
    read = {
        node.attr
        for path, tree in TREES.items()
        if path not in files
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    owners = [owner for path in files for owner in TREES[path].body]
    fields = {
        f"{owner.name}.{field.target.id}"
        for owner in owners
        if isinstance(owner, ast.ClassDef)
        for field in owner.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }
    # `op` is pydantic's: it says which dataclass an entry is.
    assert sorted(name for name in fields if name.split(".")[1] not in read | {"op"}) == []


HOST = r"(?:py" + r"pi|files\.python" + r"hosted|anaconda|npmjs|download\.py" + r"torch)\.(?:org|com)"
FORBIDDEN = re.compile(HOST + r"|/ro" + r"ot/|/wo" + r"rk/|/ho" + r"me/\w", re.IGNORECASE)
"""Hosts of registries, and places of somebody's machine; written so that this file does not match itself."""


def tracked() -> list[Path]:
    """Files of the project: those of git where it is a checkout, else all."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not path.relative_to(ROOT).parts[0].startswith(".")]


def test_no_file_names_a_registry_or_a_machines_folder() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in FORBIDDEN.finditer(text)]
    assert found == []


def test_weights_are_never_pickled() -> None:
    wrong = re.compile(r"\bimport pickle\b|\btorch\.(?:save|load)\(|\bjoblib\b")
    assert [module_of(path) for path in FILES if wrong.search(path.read_text(encoding="utf-8"))] == []


def test_nothing_is_left_open() -> None:
    """No bare `except`, nothing that is not written yet, no switch in the environment (cli sets defaults there,
    torch's agent says there how often it started, the keys of servers are secrets, and the sandbox empties its own)."""
    secret = r"\.get\(\"LAPIS_API_KEY\"|\.get\(endpoint\.key_from"
    switch = rf"os\.environ(?!\.clear\(\)|\.setdefault|\[\"TORCHELASTIC_|{secret})|os\.getenv"
    wrong = re.compile(r"except:|NotImplemented" + r"Error|\bTO" + r"DO\b|\bFIX" + r"ME\b|" + switch)
    found = {module_of(path): wrong.findall(path.read_text(encoding="utf-8")) for path in FILES}
    assert {module: words for module, words in found.items() if words} == {}


NAMES = {"PIL": "pillow", "backports": "backports.zstd"}
"""Import name to package name where they differ."""
BESIDE = {"executorch", "torchao"}
"""Packages that lapis/outside.py pins, and keeps in a folder of their own."""


def test_dependencies_are_declared_and_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.lower().replace("_", "-").split("==") for line in lines if not line.startswith("#"))
    named = (*project["dependencies"], *project["optional-dependencies"]["dev"])
    direct = {name.split("[")[0].replace("_", "-") for name in named}
    assert direct <= {*pinned}
    assert pinned["torch"] == "2.13.0"
    assert {NAMES.get(name, name).replace("_", "-") for name in third_party() - BESIDE} <= direct


def third_party() -> set[str]:
    """First names of imported modules that are neither Python's nor ours."""
    names = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"lapis"}

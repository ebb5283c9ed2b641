"""Documentation packages fetched through apt into a cache and unpacked there, never installed.

The pinned version is asked for first; where a mirror has dropped it (security updates do that), the version that it
has is taken, and every sample says which. Without apt, or without a network, the list is empty and the reason is told.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PINNED = {
    "debian-handbook": "11.20220922",
    "debian-reference-en": "2.100",
    "debian-reference-zh-cn": "2.100",
    "debian-faq": "11.1",
    "debian-faq-zh-cn": "11.1",
    "developers-reference": "12.18",
    "gnome-user-docs": "43.0-2",
    "gnumeric-doc": "1.12.55-1",
    "libreoffice-help-zh-cn": "4:7.4.7-1+deb12u14",
    "maint-guide-zh-cn": "1.2.53",
    "manpages": "6.03-2",
    "manpages-zh": "1.6.4.0-1",
    "postgresql-doc-15": "15.20-0+deb12u1",
}
"""Debian 12's documentation in English and Chinese: 72 MB to download."""
TIMEOUT = 300
"""Seconds for apt to fetch all packages."""
_LICENCE = re.compile(r"^License:[ \t]*(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """An unpacked package."""

    name: str
    version: str
    licence: str
    """Name of the first `License:` stanza of its copyright file, else that file's name."""
    root: Path


def default_cache() -> Path:
    """Where packages are kept between runs."""
    return Path.home() / ".cache" / "lapis" / "packages"


def fetch(cache: Path, names: Sequence[str] = tuple(PINNED)) -> tuple[list[Package], list[str]]:
    """Packages that could be had, unpacked under `cache`, and a note for every one that could not."""
    found, notes = [], []
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            return [], [f"{tool} is not here: no documentation packages"]
    cache.mkdir(parents=True, exist_ok=True)
    _download(cache, [name for name in names if not _archives(cache, name)])
    for name in names:
        archives = _archives(cache, name)
        if archives:
            found.append(unpack(archives[-1], cache))
        else:
            notes.append(f"{name}: apt could not fetch it")
    return found, notes


def unpack(archive: Path, cache: Path) -> Package:
    """Unpack one archive beside it, once."""
    name, version, _ = archive.stem.split("_")
    root = cache / "unpacked" / archive.stem
    if not root.is_dir():
        beside = root.with_name(root.name + ".tmp")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        subprocess.run(["dpkg-deb", "-x", str(archive), str(beside)], check=True, capture_output=True)
        os.replace(beside, root)
    return Package(name, version.replace("%3a", ":"), licence(root, name), root)


def licence(root: Path, name: str) -> str:
    """The licence that a package's copyright file names first."""
    path = root / "usr/share/doc" / name / "copyright"
    if not path.is_file():
        return f"{name}/copyright"
    stanza = _LICENCE.search(path.read_text(encoding="utf-8", errors="replace"))
    return stanza.group(1).strip() if stanza else f"{name}/copyright"


def _archives(cache: Path, name: str) -> list[Path]:
    return sorted(cache.glob(f"{name}_*.deb"))


def _download(cache: Path, names: Sequence[str]) -> None:
    """All pinned versions at once; then, by fresh lists, one by one at the version that the mirror has, what is
    missing."""
    if names and not _apt(cache, ["download", *map(_pinned, names)]):
        (cache / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        if not _apt(cache, ["update"]):
            return
        for name in names:
            if not _archives(cache, name) and not _apt(cache, ["download", _pinned(name)]):
                _apt(cache, ["download", name])


def _pinned(name: str) -> str:
    return f"{name}={PINNED[name]}" if name in PINNED else name


def _apt(cache: Path, words: Sequence[str]) -> bool:
    """Whether apt did it. The machine's lists are used until `_download` makes some of our own, which needs no root: a
    container may come without any."""
    options = ["Acquire::Retries=1", "Acquire::http::Timeout=20"]
    if (cache / "lists").is_dir():
        options += [f"Dir::State::Lists={cache / 'lists'}", f"Dir::Cache={cache / 'apt'}", "APT::Sandbox::User=root"]
    line = ["apt-get", "-q", *(word for option in options for word in ("-o", option)), *words]
    try:
        done = subprocess.run(line, cwd=cache, capture_output=True, timeout=TIMEOUT)
    except (subprocess.TimeoutExpired, OSError):
        return False
    return done.returncode == 0

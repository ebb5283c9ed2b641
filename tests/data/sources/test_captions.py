"""Figures become caption samples; ornaments, missing pictures and repeats do not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image as Pixels

from lapis.data.sources import packages
from lapis.data.sources.captions import SIDE, captions
from lapis.data.sources.packages import Package
from lapis.model import anyres
from tests.data import world

FIGURE = '<div class="figure"><img src="{}.png"/><p class="title">Figure 1. {}</p></div>'


@pytest.fixture()
def package(tmp_path: Path) -> Package:
    folder = tmp_path / "usr/share/doc/demo"
    folder.mkdir(parents=True)
    rng = random.Random(0)
    for name, size in (("large", (1400, 700)), ("small", (60, 60)), ("tiny", (20, 20))):
        (folder / f"{name}.png").write_bytes(world.picture(rng, *size).data)
    (folder / "broken.png").write_bytes(b"no picture")
    Pixels.new("1", (9000, 5000)).save(folder / "huge.png")
    pairs = [("large", "A wide window of the editor"), ("small", "一个按钮图标"), ("tiny", "An ornament on the page")]
    pairs += [
        ("broken", "A broken picture here"),
        ("gone", "A missing picture here"),
        ("huge", "A picture of 45 megapixels"),
        ("small", "x"),
    ]
    page = "".join(FIGURE.format(*pair) for pair in pairs)
    (folder / "a.html").write_text(page, encoding="utf-8")
    (folder / "b.html").write_text(page, encoding="utf-8")
    return Package("demo", "1.0", "MIT", tmp_path)


def test_captions_are_told_once_with_their_licence(package: Package) -> None:
    made = list(captions([package], 10))
    assert [(one.lang, one.turns[1].text) for one in made] == [
        ("en", "A wide window of the editor"),
        ("zh", "一个按钮图标"),
    ]
    assert {one.licence for one in made} == {"MIT"}
    assert (made[0].images[0].width, made[0].images[0].height) == (SIDE, SIDE // 2)
    assert anyres.decode(made[0].images[0]).size == (SIDE, SIDE // 2)
    assert len(list(captions([package], 1))) == 1


def test_without_apt_there_are_no_packages_and_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found, notes = packages.fetch(tmp_path / "cache")
    assert found == []
    assert notes == ["apt-get is not here: no documentation packages"]


def test_what_apt_cannot_fetch_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tool in ("apt-get", "dpkg-deb"):
        (tmp_path / tool).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found, notes = packages.fetch(tmp_path / "cache", ["manpages-zh"])
    assert (found, notes) == ([], ["manpages-zh: apt could not fetch it"])


APT = """#!/bin/sh
# Knows packages after an update into lists of the caller's own; the pinned version is gone.
case "$*" in
  *" update") : > lists/known ;;
  *" download "*=*) exit 100 ;;
  *" download "*) [ -f lists/known ] && : > "manpages-zh_9.9_all.deb" ;;
esac
"""


def test_a_machine_without_lists_gets_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "apt-get").write_text(APT, encoding="utf-8")
    (tmp_path / "dpkg-deb").write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    for tool in ("apt-get", "dpkg-deb"):
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    found, notes = packages.fetch(tmp_path / "cache", ["manpages-zh"])
    assert [one.version for one in found] == ["9.9"] and not notes

"""Tars that are cut or damaged: what stands before and after is read, and the place of what is lost is told."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from lapis.data.sources.forms import FORMS
from tests.data.sources import basics, pictures

TEXTS = ["one", "two", "three", "four"]
TAR = pictures.tar_of([(f"{number}.txt", text.encode()) for number, text in enumerate(TEXTS)])
"""A header and a block each: number 2 begins at byte 2048, its text at 2560."""
PACKS: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress}


def read(folder: Path, data: bytes, pack: str) -> tuple[list[str], list[tuple[str, str]]]:
    path = folder / f"a.tar{pack}"
    path.write_bytes(PACKS[pack](data))
    samples, broken = basics.read(FORMS["webdataset"], path)
    return [one.turns[0].text for one in samples], [(one.place, one.reason) for one in broken]


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("end", [2100, 2560, 2562])
def test_a_tar_that_is_cut_says_so_and_keeps_what_is_whole(pack: str, end: int, tmp_path: Path) -> None:
    assert read(tmp_path, TAR[:end], pack) == (TEXTS[:2], [(f"a.tar{pack} 2", "truncated tar")])


@pytest.mark.parametrize("pack", PACKS)
def test_a_damaged_header_costs_its_own_member(pack: str, tmp_path: Path) -> None:
    harmed = TAR[:2048] + b"\xff" * 200 + TAR[2248:]
    found = read(tmp_path, harmed, pack)
    assert found == ([*TEXTS[:2], TEXTS[3]], [(f"a.tar{pack} byte 2048", "damaged tar header")])


@pytest.mark.parametrize("pack", PACKS)
def test_what_stands_between_two_members_costs_neither(pack: str, tmp_path: Path) -> None:
    junk = bytes(range(1, 256)) * 4 + b"more"
    found = read(tmp_path, TAR[:1024] + junk + TAR[1024:], pack)
    assert found == (TEXTS, [(f"a.tar{pack} byte 1024", "damaged tar header")])

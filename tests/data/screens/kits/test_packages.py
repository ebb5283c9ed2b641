"""Packages come through npm, are checked, and are whole in the cache or not there."""

import base64
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from lapis.data.screens.kits import kits, packages
from lapis.data.screens.kits.packages import Package, fetch, unpack
from lapis.types import InputError


def archive(path: Path, **files: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "/").replace("_dot_", "."))
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def package(path: Path, *names: str) -> Package:
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    return Package("@ours/kit", "1.2.3", digest, names or ("dist/kit.css",))


def test_only_named_files_and_the_licence_are_unpacked(tmp_path: Path) -> None:
    made = archive(
        tmp_path / "a.tgz", package__dist__kit_dot_css="a{}", package__LICENSE="MIT", package__evil_dot_js=""
    )
    folder = unpack(package(made), made, tmp_path / "cache")
    assert folder.name == "ours-kit-1.2.3"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == ["dist/kit.css"]
    assert (folder / "LICENSE").is_file()
    assert fetch(package(made), tmp_path / "cache") == folder, "without npm, from the cache"


def test_another_archive_or_one_without_the_file_leaves_nothing(tmp_path: Path) -> None:
    made = archive(tmp_path / "a.tgz", package__dist__kit_dot_css="a{}")
    known = package(made)
    archive(made, package__dist__kit_dot_css="b{}")
    with pytest.raises(InputError, match=r"^@ours/kit 1\.2\.3: SHA-512 .*expected"):
        unpack(known, made, tmp_path / "cache")
    with pytest.raises(InputError, match="dist/other.css is not in it"):
        unpack(package(made, "dist/other.css"), made, tmp_path / "cache")
    assert not (tmp_path / "cache").exists() or not any((tmp_path / "cache").iterdir())


def npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program of that name first on the path."""
    folder.mkdir()
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_npm_packs_without_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = archive(tmp_path / "a.tgz", package__dist__kit_dot_css="a{}")
    npm(tmp_path / "bin", monkeypatch, f'echo "$@" > {tmp_path}/asked; cp {made} "$5/x.tgz"')
    assert fetch(package(made), tmp_path / "cache").is_dir()
    assert (tmp_path / "asked").read_text().startswith("pack @ours/kit@1.2.3 --ignore-scripts --pack-destination ")


def test_what_npm_cannot_fetch_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = archive(tmp_path / "a.tgz", package__dist__kit_dot_css="a{}")
    npm(tmp_path / "bin", monkeypatch, "echo 'npm error code E404' >&2; exit 1")
    with pytest.raises(InputError, match="npm could not fetch it .*E404"):
        fetch(package(made), tmp_path / "cache")
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="npm is not here"):
        fetch(package(made), tmp_path / "cache")


def test_without_npm_and_cache_the_plain_kit_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    found, notes = kits.gathered((), tmp_path)
    assert found == [kits.PLAIN]
    assert len(notes) == len(kits.KITS) - 1
    with pytest.raises(InputError, match="npm is not here"):
        kits.gathered(("vant",), tmp_path)
    with pytest.raises(InputError, match="'nothing' is none; there are vant"):
        kits.gathered(("nothing",), tmp_path)

"""Published packages of UI kits: fetched through npm at pinned versions, checked by SHA-512, kept outside the clone.

Nothing is installed and no script of a package runs: of each archive only the few files that a browser loads are
unpacked. What is in the cache already is used without npm and without a network.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lapis.types import InputError

CACHE = Path.home() / ".cache" / "lapis" / "kits"
TIMEOUT = 300
"""Seconds for npm to fetch one package."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package at one version, and the files of it that pages load."""

    name: str
    version: str
    sha512: str
    """Of the archive, base64, as the registry tells it."""
    files: tuple[str, ...]
    """Paths inside the archive; a licence is always taken along."""
    licence: str = "MIT"

    @property
    def folder(self) -> str:
        return f"{self.name.strip('@').replace('/', '-')}-{self.version}"


VUE = Package(
    "vue", "3.5.45",
    "3cvsib8m9c0vB24+MDKsgcW4+Da4xaBl9Z/5Tbm2pmSIsRPxcil4cdXjXlVsmJ2g64XJo5h+IRd7rsdGT9pZaw==",
    ("dist/vue.runtime.global.prod.js",),
)  # fmt: skip
VANT = Package(
    "vant", "4.10.2",
    "7lm1KtFub11ozleFqQ6rL8oa3Z8i33G3IUEuJGWBXlQwPTRfu8BYWGGZ/GhA5QdWhERp5mtBq6TjpYEmLcwwow==",
    ("lib/vant.min.js", "lib/index.css"),
)  # fmt: skip
BOOTSTRAP = Package(
    "bootstrap", "5.3.9",
    "20cU0rcfw8WdxtVbmfU+xT2EjvVTw9Ror/h1Qvd7DXCujRg8OO9mdBCsmTHdJFf3BuadmBNJtgIuUXsBqSkk/w==",
    ("dist/css/bootstrap.min.css",),
)  # fmt: skip
ICONS = Package(
    "bootstrap-icons", "1.13.2",
    "fAU1Ly3dH7hwRg+CB8EZ0Vl0fF80zgXHeUVJyfUOKzoURr+TbwISbCW5tKUoQLERaWYG2emTCybcPbD96hdD1A==",
    ("font/bootstrap-icons.min.css", "font/fonts/bootstrap-icons.woff2"),
)  # fmt: skip
ELEMENT = Package(
    "element-plus", "2.14.8",
    "Z4Br45W9b8vWKvVHSTvbS6rRKmsLjmHCPXICJR6osl35+i+S2LCBs4NN8apLBkQiUh0pzS9labK5eCS7yzDhWw==",
    ("dist/index.full.min.js", "dist/index.css", "theme-chalk/dark/css-vars.css"),
)  # fmt: skip
WEUI = Package(
    "weui", "2.6.26",
    "V2s4HVNNc7vOFxzll9b13dz9IvsCdW+Dxv51ahcS2aBnX6LBhwJySJHBC3YoRspwO/oyltkjGri9TTyJ1FcAZg==",
    ("dist/style/weui.min.css",),
)  # fmt: skip


def is_there(package: Package, cache: Path = CACHE) -> bool:
    """Whether a package lies in the cache."""
    return (cache / package.folder).is_dir()


def fetch(package: Package, cache: Path = CACHE) -> Path:
    """The folder of an unpacked package, fetched where it is missing. Raises InputError where npm cannot, or where the
    archive is not the pinned one."""
    folder = cache / package.folder
    if folder.is_dir():
        return folder
    if shutil.which("npm") is None:
        raise InputError(f"{package.name}: npm is not here to fetch it; install Node.js, or take other kits")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        return unpack(package, _packed(package, Path(scratch)), cache)


def _packed(package: Package, scratch: Path) -> Path:
    """The archive through npm, which looks where its own settings say."""
    words = ["npm", "pack", f"{package.name}@{package.version}", "--ignore-scripts", "--pack-destination", str(scratch)]
    try:
        done = subprocess.run(words, cwd=scratch, capture_output=True, text=True, timeout=TIMEOUT)
        why = next((line for line in done.stderr.splitlines() if "code" in line.casefold()), "no archive came")
    except subprocess.TimeoutExpired:
        why = f"no answer in {TIMEOUT} s"
    found = sorted(scratch.glob("*.tgz"))
    if not found:
        raise InputError(f"{package.name} {package.version}: npm could not fetch it ({why.strip()})")
    return found[0]


def unpack(package: Package, archive: Path, cache: Path = CACHE) -> Path:
    """Check an archive and unpack the package's files into the cache, whole or not at all. Raises InputError for an
    archive that is another one."""
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != package.sha512:
        raise InputError(
            f"{package.name} {package.version}: SHA-512 {digest[:16]}..., expected {package.sha512[:16]}..."
        )
    folder = cache / package.folder
    part = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(part, [one for one in tar.getmembers() if _wanted(package, one.name)], filter="data")
        missing = [name for name in package.files if not (part / "package" / name).is_file()]
        if missing:
            raise InputError(f"{package.name} {package.version}: {missing[0]} is not in it")
        os.replace(part / "package", folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _wanted(package: Package, member: str) -> bool:
    name = member.removeprefix("package/")
    return name in package.files or name.upper().startswith("LICENSE")

"""Records broken in every way through `lapis data build`: each is told by place and reason, and no other is lost."""

from __future__ import annotations

import gzip
import json
import random
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from backports import zstd

from tests.conftest import lapis
from tests.data.corpus import made
from tests.data.sources import basics, pictures
from tests.data.sources import texts as lines

MARK = re.compile(r"[Mm]ark[a-p]{4}")
Told = Counter[tuple[str, str]]
"""How often which source has which reason."""


class Marks:
    """Texts that every rule lets pass, each with a mark of its own."""

    def __init__(self) -> None:
        self.rng = random.Random(0)
        self.made: Counter[str] = Counter()

    def texts(self, source: str, count: int) -> list[str]:
        """So many more of a source."""
        found = []
        for _ in range(count):
            letters = f"{self.made.total():04x}".translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))
            found.append(f"Mark{letters} {made.text(self.rng)}")
            self.made[source] += 1
        return found


def line(text: str) -> bytes:
    return json.dumps({"text": text}).encode() + b"\n"


def cut_gzip(whole: Iterable[bytes], torn: bytes) -> bytes:
    """A file of which all of `whole` can be read, and that ends within `torn`."""
    packer = zlib.compressobj(wbits=31)
    head = packer.compress(b"".join(whole)) + packer.flush(zlib.Z_SYNC_FLUSH)
    return head + (packer.compress(torn) + packer.flush())[:-12]


def jsonl(folder: Path, marks: Marks) -> Iterable[str]:
    """Bad JSON, wrong encodings, null bytes, a line of 100 MB; truncated and damaged packing, a bomb."""
    rows = basics.mixed(marks.rng, map(line, marks.texts("lines", 150)), lines.BAD_LINES.items())
    with (folder / "a.jsonl").open("wb") as out:
        out.writelines(body + b"\n" if why else body for body, why in rows)
        out.write(b'{"text": "')
        out.writelines(b"x" * (1 << 20) for _ in range(100))
        out.write(b'"}\n')
        out.writelines(line(body) for body in marks.texts("lines", 150))
    bodies = [line(body) for body in marks.texts("lines", 40)]
    (folder / "b.jsonl.gz").write_bytes(cut_gzip(bodies[:20], b'{"text": "torn'))
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(b"".join(bodies[20:30]) + bytes(64 << 20)))
    (folder / "d.jsonl.zst").write_bytes(zstd.compress(b"".join(bodies[30:])))
    return [*lines.BAD_LINES.values(), "too long", "truncated gzip", "decompression bomb"]


def files(folder: Path, marks: Marks) -> Iterable[str]:
    """A document a file: wrong encodings, null bytes, a link that leads out, packing that is cut, and a bomb."""
    for number, body in enumerate(marks.texts("files", 60)):
        (folder / f"{number:03}.txt").write_text(body)
    bad = {"not UTF-8": b"caf\xe9", "null byte": "x".encode("utf-16-le"), "no text": b""}
    for number, data in enumerate(bad.values()):
        (folder / f"{number:03}b.txt").write_bytes(data)
    (folder / "100.txt.gz").write_bytes(gzip.compress(b"cut" * 99)[:-9])
    (folder / "101.txt.gz").write_bytes(gzip.compress(bytes(64 << 20)))
    (folder / "102.txt").symlink_to("/etc/hostname")
    return [*bad, "truncated gzip", "decompression bomb", "path leads outside"]


def tars(folder: Path, marks: Marks) -> Iterable[str]:
    """Members that climb, absolute ones, links, pictures that lie; damaged headers, a tar that is cut."""
    texts = [body.encode() for body in marks.texts("tars", 40)]
    lies = [("lie.png", basics.encoded("JPEG")), ("lie.txt", b"A caption"), ("bomb.png", basics.bomb())]
    out = [("../climbed.txt", b"up"), ("/climbed.txt", b"absolute"), ("sub/../../climbed.txt", b"up")]
    link = tarfile.TarInfo("link.txt")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    bad = [*lies, *out, ("link", link), ("hurt.txt", b"hurt")]
    more = [(f"{number:03}.txt", text) for number, text in enumerate(texts)]
    whole = bytearray(pictures.tar_of([*more[:20], *bad, *more[20:30]]))
    whole[whole.index(b"hurt.txt") + 150] ^= 1
    (folder / "a.tar").write_bytes(whole)
    torn = pictures.tar_of([*more[30:], ("z.txt", b"z" * 3000)])
    (folder / "b.tar").write_bytes(torn[: torn.rindex(b"zz") - 1000])
    shown = ["picture of another format than its name", "too many pixels"]
    return [*shown, *["path leads outside"] * 3, "link in a tar", "damaged tar header", "truncated tar"]


def shots(folder: Path, marks: Marks) -> Iterable[str]:
    """Pictures that lie about their format, are cut, no picture, too large, alone; a caption without one."""
    for number, body in enumerate(marks.texts("shots", 30)):
        (folder / f"{number:03}.png").write_bytes(basics.png(marks.rng))
        (folder / f"{number:03}.txt").write_text(body)
    bad = basics.bad_pictures(marks.rng)
    for number, (name, data) in enumerate(bad.values()):
        (folder / f"{number:03}{name}").write_bytes(data)
        (folder / f"{number:03}{name}").with_suffix(".txt").write_text("A caption")
    (folder / "alone.png").write_bytes(basics.png(marks.rng))
    (folder / "lost.txt").write_text("A caption")
    return [*bad, "no caption", "no picture"]


def web(folder: Path, marks: Marks) -> Iterable[str]:
    """Archives of the web: members of gzip that are torn, records that are none."""
    good = [gzip.compress(lines.warc_record(lines.page(body))) for body in marks.texts("web", 30)]
    torn = bytearray(gzip.compress(lines.warc_record(lines.page("x" * 99))))
    torn[60] ^= 255
    none = gzip.compress(b"WORC/1.0\r\n\r\n")
    (folder / "a.warc.gz").write_bytes(
        b"".join([*good[:10], bytes(torn), *good[10:20], none, *good[20:], good[0][:-9]])
    )
    return ["damaged gzip", "bad WARC record", "truncated gzip"]


SOURCES = {"lines": (jsonl, "jsonl"), "files": (files, "text"), "tars": (tars, "webdataset"), "web": (web, "warc")}
SOURCES["shots"] = (shots, "images")


def below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_relative_to(folder / "out")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Marks, Told]:
    """The run's data, the marks of what is good, and what is broken; nothing lies outside the run."""
    folder = tmp_path_factory.mktemp("broken")
    marks, told, words = Marks(), Told(), list[str]()
    for name, (make, form) in SOURCES.items():
        (folder / "in" / name).mkdir(parents=True)
        told.update((name, reason) for reason in make(folder / "in" / name, marks))
        words += [f"data.sources.{name}.form={form}", f"data.sources.{name}.place={folder / 'in' / name}"]
        words.append(f"data.sources.{name}.lang=en")
    (folder / "home").mkdir()
    before = below(folder)
    words += ["data.sources.shots.kind=caption", f"out={folder / 'out'}", "data.workers=1"]
    done = lapis("data", "build", "corpus", "--until", "corpus", *words, cwd=folder / "home")
    assert done.returncode == 0, done.stderr
    assert below(folder) == before
    return folder / "out/data", marks, told


def test_nothing_that_is_whole_is_lost(built: tuple[Path, Marks, Told]) -> None:
    data, marks, _ = built
    found = [text for path in sorted((data / "samples").glob("*")) for text in pq.read_table(path)["turns"].to_pylist()]
    counted = Counter(mark.group() for text in found if (mark := MARK.search(text)))
    assert len(found) == marks.made.total() == len(counted) and set(counted.values()) == {1}


def test_every_broken_record_has_its_place_and_reason(built: tuple[Path, Marks, Told]) -> None:
    data, marks, told = built
    broken = [json.loads(one) for one in (data / "corpus/broken.jsonl").read_text(encoding="utf-8").splitlines()]
    assert Counter((one["source"], one["reason"]) for one in broken) == told
    assert len({(one["source"], one["place"]) for one in broken}) == len(broken)
    steps = json.loads((data / "corpus/counts.json").read_text(encoding="utf-8"))["steps"]
    for name, good in marks.made.items():
        read = [step for step in steps if step["source"] == name and step["name"] == "read"]
        dropped = sum((Counter(step["dropped"]) for step in read), Counter[str]())
        assert sum(step["out"] for step in read) == good
        assert dropped == {reason: many for (source, reason), many in told.items() if source == name}

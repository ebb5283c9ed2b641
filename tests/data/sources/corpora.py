"""Small corpora in every form, good records and broken ones mixed by a seed; what is good of them is told beside."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd
from PIL import Image as Pixels
from pypdf import PdfWriter

from lapis.data import store
from lapis.data.sources.base import Broken, Form, Origin
from lapis.types import Sample
from tests.data import world

ORIGIN = Origin("web", "prose", "CC0-1.0")
WORDS = (
    "a lamp",
    "das Café",
    "天空是蓝色的",
    "emoji 🙂",
    'tab\tand "quotes"',
    "comma, semicolon; \\n",
    "two\nlines\n\nmore",
)


@dataclass
class Corpus:
    """Where it lies, the payload of each good record in order, and how many are broken."""

    place: Path
    good: list[Any] = field(default_factory=list)
    broken: int = 0


def read(form: Form, place: Path, origin: Origin = ORIGIN) -> tuple[list[Sample], list[Broken]]:
    """All samples and all that is broken of a place."""
    found = [one for part in form.slices(place) for one in form.read(part, origin)]
    assert all(isinstance(one, Sample | Broken) for one in found)
    return [one for one in found if isinstance(one, Sample)], [one for one in found if isinstance(one, Broken)]


def text(rng: random.Random) -> str:
    return f"{rng.choice(WORDS)} {rng.randrange(10**9)} {' '.join(rng.choices(world.ENGLISH, k=rng.randrange(3, 30)))}"


def png(rng: random.Random, width: int = 40, height: int = 30) -> bytes:
    return world.picture(rng, width, height).data


def encoded(form: str, width: int = 40, height: int = 30) -> bytes:
    out = io.BytesIO()
    Pixels.linear_gradient("L").resize((width, height)).convert("RGB").save(out, form)
    return out.getvalue()


def bomb() -> bytes:
    """A PNG of 400 megapixels in a few hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 20000, 20000, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def bad_pictures(rng: random.Random) -> dict[str, tuple[str, bytes]]:
    """Reason to (name, bytes) of a picture that is none."""
    whole = png(rng)
    return {
        "no picture": ("a.png", b"<html>no picture</html>"),
        "damaged picture": ("b.png", whole[: len(whole) // 2]),
        "picture of another format than its name": ("c.png", encoded("JPEG")),
        "too many pixels": ("d.png", bomb()),
        "picture of another format than its first bytes": ("e.png", b"\x89PNG\r\n\x1a\n" + encoded("JPEG")),
    }


BAD_LINES = {
    b'{"text": "cut': "bad JSON",
    b'{"text": "caf\xe9"}': "not UTF-8",
    '{"text": "\u5929"}'.encode("gb18030"): "not UTF-8",
    '{"text": "x"}'.encode("utf-16-le"): "bad JSON",
    b'{"text": "a\0b"}': "bad JSON",
    b'{"text": "a\\u0000b"}': "null byte",
    b'{"text": "\\ud83d alone"}': "lone surrogate",
    b'{"text": NaN}': "NaN or infinity",
    b'{"text": "x", "score": -Infinity}': "NaN or infinity",
    b'{"text": 5}': "wrong type",
    b'{"text": ["x"]}': "wrong type",
    b'{"text": "x", "license": 7}': "wrong type",
    b"[1, 2]": "wrong type",
    b'"text"': "wrong type",
    b'{"text": "  "}': "no text",
    b'{"title": "x"}': "no text",
    b"[" * 50_000: "bad JSON",
    b'{"text": ' + b"9" * 5000 + b"}": "bad JSON",
    b'{"image": "../up.png", "caption": "x"}': "path leads outside",
    b'{"image": "/etc/hostname", "caption": "x"}': "path leads outside",
    b'{"image": "C:\\\\x.png", "caption": "x"}': "path leads outside",
    b'{"image": "gone.png", "caption": "x"}': "no such file",
    b'{"image": "http://x/y.png", "caption": "x"}': "picture is remote",
    b'{"image": "data:image/png;base64,@@", "caption": "x"}': "no picture",
    b'{"image": 3, "caption": "x"}': "wrong type",
    b'{"messages": [], "text": "x"}': "no answer",
    b'{"messages": [{"role": "user", "content": "x"}]}': "no answer",
    b'{"messages": [{"role": "king", "content": "x"}]}': "unknown role",
    b'{"conversations": [{"from": "gpt", "value": "x"}]}': "turns out of order",
}
"""Lines that are no record, and why."""


def mixed(rng: random.Random, good: Iterable[Any], bad: Iterable[Any]) -> list[tuple[bool, Any]]:
    """(whether it is good, record), the order drawn; good ones keep theirs."""
    goods, bads = list(good), list(bad)
    order = [True] * len(goods) + [False] * len(bads)
    rng.shuffle(order)
    rng.shuffle(bads)
    return [(kind, (goods if kind else bads).pop(0)) for kind in order]


def _line(body: str) -> bytes:
    return json.dumps({"text": body}, ensure_ascii=False).encode()


def jsonl(folder: Path, rng: random.Random, pack: str = "") -> Corpus:
    goods = [text(rng) for _ in range(60)]
    lines = mixed(rng, goods, BAD_LINES)
    data = b"\n".join(_line(body) if good else body for good, body in lines) + b"\n"
    path = folder / f"a.jsonl{pack}"
    path.write_bytes({"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}[pack](data))
    return Corpus(path, goods, len(BAD_LINES))


def array(folder: Path, rng: random.Random) -> Corpus:
    """One element of a JSON array a record; those that break the array's own form among them."""
    goods = [text(rng) for _ in range(60)]
    bads = [line for line, why in BAD_LINES.items() if line.startswith(b'{"text"') and b"NaN" not in line]
    bads += [b'{"text": "x" "y"}', b'{"text": }', b'{"text": NaN}', b'{"text": "x"]']
    rows = mixed(rng, goods, bads)
    rows.append((True, "the last"))
    data = b",\n".join(_line(body) if good else body for good, body in rows)
    (folder / "a.json").write_bytes(b"[\n" + data + b"\n]")
    return Corpus(folder / "a.json", [*goods, "the last"], len(bads))


def csv(folder: Path, rng: random.Random) -> Corpus:
    goods = [text(rng) for _ in range(60)]
    bads = [b"too,many,fields", b"few", b"caf\xe9,x", b'"open,x', b'"a"b,x', b"null\0byte,x", b"  ,x"]
    quoted = [f'"{body.replace(chr(34), chr(34) * 2)}",x'.encode() for body in goods]
    rows = [body for _, body in mixed(rng, quoted, bads)]
    (folder / "a.csv").write_bytes(b"text,label\n" + b"\n".join(rows) + b"\n")
    return Corpus(folder / "a.csv", goods, len(bads))


def parquet(folder: Path, rng: random.Random, arrow: bool = False) -> Corpus:
    goods = [text(rng) for _ in range(60)]
    bads: list[Any] = [b"caf\xe9", b"a\0b", b" ", None]
    rows = mixed(rng, goods, bads)
    values = [body.encode() if good else body for good, body in rows]
    column = pa.array(values, pa.binary()).view(pa.string())
    table = pa.table({"text": column, "score": pa.array([float("nan")] * len(values))})
    path = folder / ("a.arrow" if arrow else "a.parquet")
    if arrow:
        with pa.ipc.new_stream(path, table.schema) as out:
            out.write_table(table, max_chunksize=16)
    else:
        pq.write_table(table, path, row_group_size=16)
    return Corpus(path, goods, len(bads))


def files(folder: Path, rng: random.Random, ending: str) -> Corpus:
    """Text or Markdown, a document a file."""
    goods = [text(rng) for _ in range(12)]
    bads: list[bytes] = [b"caf\xe9", b"a\0b", b"", gzip.compress(b"cut" * 99)[:-9]]
    for number, (good, body) in enumerate(mixed(rng, goods, bads)):
        (folder / f"{number:03}{ending}").write_bytes(body.encode() if good else body)
    (folder / f"100{ending}").symlink_to("/etc/hostname")
    (folder / f"101{ending}").symlink_to(folder / f"gone{ending}")
    return Corpus(folder, goods, len(bads) + 2)


def page(body: str, charset: str = "utf-8") -> bytes:
    lines = body.replace("&", "&amp;").replace("<", "&lt;")
    source = f'<html><head><meta charset="{charset}"><title>t</title></head><body><p>{lines}</p></body></html>'
    return source.encode(charset)


def plain(rng: random.Random) -> str:
    """A text that survives HTML as it is."""
    return f"{rng.choice(('A lamp', '天空是蓝色的', 'Das Café'))} {rng.randrange(10**9)} " + " ".join(world.ENGLISH)


def html(folder: Path, rng: random.Random) -> Corpus:
    goods = [plain(rng) for _ in range(12)]
    bads = [page("x" * 50)[:-1] + b"\0" * 40, b"", b"<html><body></body></html>", page("a\0b")]
    for number, (good, body) in enumerate(mixed(rng, goods, bads)):
        charset = "gb18030" if number % 3 == 0 else "utf-8"
        (folder / f"{number:03}.html").write_bytes(page(body, charset) if good else body)
    return Corpus(folder, goods, len(bads))


def warc_record(body: bytes, kind: str = "response", url: str = "http://x/1", status: str = "200 OK") -> bytes:
    http = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
    head += "WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>\r\n"
    head += f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    return head.encode() + http + b"\r\n\r\n"


def warc(folder: Path, rng: random.Random, pack: bool = False) -> Corpus:
    goods = [plain(rng) for _ in range(20)]
    whole = warc_record(page(plain(rng)))
    bads = [
        whole.replace(b"\r\nContent-Length", b"\r\nContent-Lxngth", 1),
        whole.replace(b"ponse\r\nContent-Length: ", b"ponse\r\nContent-Length: 9"), whole[:200] + b"\r\n\r\n",
        warc_record(b"\xff\xfe\0" + b"\xd8" * 99),
    ]  # fmt: skip
    rows = [body if not good else warc_record(page(body)) for good, body in mixed(rng, goods, bads)]
    last = plain(rng)
    rows += [warc_record(page(last)), whole.replace(b"WARC/1.0", b"WORC/1.0"), warc_record(page(last))]
    rows.insert(0, warc_record(b"", "request"))
    rows.insert(0, warc_record(page("gone"), status="404 Not Found"))
    if pack:
        packed = [gzip.compress(row) for row in rows]
        torn = bytearray(gzip.compress(whole))
        torn[60] ^= 255
        rows = [*packed[:9], bytes(torn), *packed[9:], gzip.compress(whole)[:-30]]
    path = folder / ("a.warc.gz" if pack else "a.warc")
    path.write_bytes(b"".join(rows))
    return Corpus(path, [*goods, last, last], len(bads) + 1 + 2 * pack)


def images(folder: Path, rng: random.Random, table: str = "") -> Corpus:
    """Pictures beside texts, or with a table."""
    goods = [(png(rng) if number % 2 else encoded("WEBP", 20 + number), text(rng)) for number in range(10)]
    bads = [*bad_pictures(rng).values(), ("f.png", None)]
    captions: list[tuple[str, str]] = []
    rows = mixed(rng, goods, bads)
    for number, (good, (first, second)) in enumerate(rows):
        data, body = (first, second) if good else (second, "a caption")
        name = f"{number:03}.webp" if good and data[:4] == b"RIFF" else f"{number:03}.png"
        captions.append((name, body))
        if data is not None:
            (folder / name).write_bytes(data)
    broken = len(bads)
    if table == "metadata.csv":
        quoted = (f'{name},"{body.replace(chr(34), chr(34) * 2)}"\n' for name, body in captions)
        (folder / table).write_text("file_name,text\n" + "".join(quoted), encoding="utf-8")
    elif table:
        lines = [json.dumps({"file_name": name, "caption": body}) for name, body in captions]
        lines += [json.dumps({"file_name": name, "caption": "x"}) for name in ("../x.png", "/x.png", "999.png")]
        (folder / "999.png").symlink_to(folder.parent / "outside.png")
        (folder.parent / "outside.png").write_bytes(png(rng))
        (folder / table).write_text("\n".join(lines), encoding="utf-8")
        broken += 3
    else:
        for name, body in captions:
            (folder / name).with_suffix(".txt").write_text(body.strip(), encoding="utf-8")
        (folder / "alone.png").write_bytes(png(rng))
        broken += 1
    return Corpus(folder, [(data, body if table else body.strip()) for data, body in goods], broken)


def tar_of(rows: Iterable[tuple[str, bytes | tarfile.TarInfo]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in rows:
            info = tarfile.TarInfo(name) if isinstance(data, bytes) else data
            info.size = len(data) if isinstance(data, bytes) else 0
            tar.addfile(info, io.BytesIO(data) if isinstance(data, bytes) else None)
    return out.getvalue()


def _link(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def webdataset(folder: Path, rng: random.Random, pack: str = "") -> Corpus:
    goods = [(png(rng), text(rng)) for _ in range(20)]
    bads: list[dict[str, Any]] = [{"png": data} for _, data in bad_pictures(rng).values()]
    bads += [{"png": png(rng), "txt": _link("", kind, "/etc/hostname")} for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)]
    bads += [{"txt": b"caf\xe9"}, {"json": b'{"caption": '}, {"json": b"[]"}, {"png": png(rng)}, {"cls": b"3"}]
    bads += [{"../x.txt": b"up"}, {"/x.txt": b"absolute"}, {"txt": _link("", tarfile.FIFOTYPE, "")}]
    members: list[tuple[str, Any]] = []
    for number, (good, row) in enumerate(mixed(rng, goods, bads)):
        long = "n" * 120 if number % 5 == 0 else ""
        row = {"png": row[0], "txt": row[1].encode()} if good else row
        for ending, data in row.items():
            name = f"{ending}" if "/" in ending else f"part/{number:04}{long}.{ending}"
            if isinstance(data, tarfile.TarInfo):
                data.name = name
            members.append((name, data))
    path = folder / f"a.tar{pack}"
    path.write_bytes({"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}[pack](tar_of(members)))
    return Corpus(path, goods, len(bads))


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def chat(folder: Path, rng: random.Random) -> Corpus:
    """Conversations in all three forms; the payload is the answer."""
    goods = [text(rng) for _ in range(30)]
    (folder / "images").mkdir()
    shown = png(rng)
    (folder / "images" / "a.png").write_bytes(shown)
    rows: list[Any] = []
    for number, body in enumerate(goods):
        rows.append(
            (
                {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": body}]},
                {"image": "a.png", "conversations": [
                    {"from": "human", "value": "<image>\nq"}, {"from": "gpt", "value": body}]},
                {"messages": [
                    {"role": "system", "content": "s"},
                    {"role": "user", "content": [
                        {"type": "text", "text": "q"}, {"type": "image_url", "image_url": {"url": uri(shown)}}]},
                    {"role": "assistant", "content": f"<think>\nhm\n</think>\n\n{body}"}]},
            )[number % 3]
        )  # fmt: skip
    ask = {"from": "human", "value": "<image> <image>"}
    bads: list[Any] = [
        {"text": "a document"}, {"conversations": "x"}, {"conversations": [5]}, {"conversations": [ask]},
        {"image": "a.png", "conversations": [ask, {"from": "gpt", "value": "x"}]},
        {"image": "../a.png", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "x"}]},
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "<think>open"}]},
        {"messages": [{"role": "user", "content": [{"type": "audio"}]}, {"role": "assistant", "content": "x"}]},
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": 5}]},
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": None}]},
    ]  # fmt: skip
    mix = [json.dumps(row, ensure_ascii=False) for _, row in mixed(rng, rows, bads)]
    (folder / "a.jsonl").write_text("\n".join(mix), encoding="utf-8")
    return Corpus(folder, goods, len(bads))


def grounding(folder: Path, rng: random.Random) -> Corpus:
    """A box of each published form; the payload is the box in thousandths."""
    (folder / "images").mkdir()
    (folder / "images" / "a.png").write_bytes(png(rng, 200, 100))
    base = {"img_filename": "a.png", "instruction": "Save"}
    goods = [
        base | {"bbox": [20, 10, 40, 20], "data_type": "text"},
        base | {"bbox": [20, 10, 60, 30], "img_size": [200, 100], "ui_type": "icon"},
        base | {"bbox": [0.1, 0.1, 0.3, 0.3]},
        {
            "img_url": "a.png",
            "element": [{"instruction": "保存", "bbox": [0.1, 0.1, 0.3, 0.3]}],
            "img_size": [200, 100],
        },
    ]
    boxes: list[Any] = [[20, 10, 40], [20, 10, -4, 5], [190, 10, 40, 20], ["a", 1, 2, 3], [1, 2, 3, 1e99], "x", 5]
    bads: list[Any] = [base | {"bbox": box} for box in boxes]
    bads += [base | {"bbox": [20, 10, 40, 20], "img_filename": name} for name in ("../images/a.png", "b.png", 5)]
    bads += [{"img_filename": "a.png", "bbox": [1, 1, 2, 2]}, base, {**base, "elements": []}]
    rows = [row for _, row in mixed(rng, goods * 5, bads)]
    (folder / "screenspot.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return Corpus(folder, [[100.0, 100.0, 200.0, 200.0]] * 20, len(bads))


def screen(rng: random.Random) -> dict[str, Any]:
    word = ["Save", 8.0, 8.0, 20.0, 10.0]
    element = {"role": "button", "name": "Save", "text": "Save", "box": word[1:], "words": [word], "unique": True}
    facts = {"template": "settings", "lang": "en", "device": "phone", "seed": rng.randrange(99), "split": "train"}
    return {**facts, "elements": [{**element, "data": {"held_word": False}}], "words": [word], "lines": [word]}


def screens(folder: Path, rng: random.Random) -> Corpus:
    whole = screen(rng)
    element = whole["elements"][0]
    bads: list[Any] = [
        [], {}, whole | {"elements": [element | {"box": [0, 0, 999, 9]}]}, whole | {"lang": "xx"},
        whole | {"elements": [element | {"role": "king"}]}, whole | {"elements": 5},
    ]  # fmt: skip
    for number, (_, row) in enumerate(mixed(rng, [whole] * 6, bads)):
        (folder / f"{number:02}.json").write_text(json.dumps(row), encoding="utf-8")
        (folder / f"{number:02}.png").write_bytes(png(rng))
    (folder / "90.json").write_text(json.dumps(whole), encoding="utf-8")
    (folder / "91.json").write_text("{", encoding="utf-8")
    return Corpus(folder, ["screen/ground"] * 6, len(bads) + 2)


def pdf_of(pages: Iterable[str], password: str = "") -> bytes:
    """A PDF that writes a line a page; a page of an empty string holds a picture alone."""
    objects: list[bytes] = []
    kids: list[int] = []

    def add(body: bytes) -> int:
        objects.append(body)
        return len(objects)

    def stream(body: bytes, head: bytes = b"") -> int:
        return add(b"<<" + head + b"/Length %d>>stream\n" % len(body) + body + b"\nendstream")

    font = add(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    shot = stream(
        b"\x80" * 16, b"/Type/XObject/Subtype/Image/Width 4/Height 4/ColorSpace/DeviceGray/BitsPerComponent 8"
    )
    for line in pages:
        drawn = f"BT /F1 12 Tf 72 700 Td ({line}) Tj ET".encode() if line else b"q 100 0 0 100 0 0 cm /I1 Do Q"
        body = stream(drawn)
        parent = len(objects) + 1
        kids.append(parent)
        add(b"<</Type/Page/Parent 9999 0 R/MediaBox[0 0 612 792]/Contents %d 0 R/Resources<</Font<</F1 %d 0 R>>"
            b"/XObject<</I1 %d 0 R>>>>>>" % (body, font, shot))  # fmt: skip
    tree = add(b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids)))
    root = add(b"<</Type/Catalog/Pages %d 0 R>>" % tree)
    out, places = io.BytesIO(b"%PDF-1.4\n"), []
    out.seek(0, 2)
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj" % number + body.replace(b"9999 0 R", b"%d 0 R" % tree) + b"endobj\n")
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer<</Size %d/Root %d 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, root, start))
    if not password:
        return out.getvalue()
    writer = PdfWriter(clone_from=out)
    writer.encrypt(password, algorithm="RC4-128")
    locked = io.BytesIO()
    writer.write(locked)
    return locked.getvalue()


def pdf(folder: Path, rng: random.Random) -> Corpus:
    goods = [f"A page of {rng.randrange(10**9)}" for _ in range(5)]
    bads = [pdf_of(["x"], "secret"), pdf_of([""]), b"%PDF-1.4\njunk", b"no PDF", pdf_of(["x"])[:-900], b""]
    for number, (good, row) in enumerate(mixed(rng, goods, bads)):
        (folder / f"{number:02}.pdf").write_bytes(pdf_of([row, "Second"]) if good else row)
    return Corpus(folder, [f"{body}\n\nSecond" for body in goods], len(bads))


def made(folder: Path, rng: random.Random) -> Corpus:
    """Samples of our own, and rows in which one column is none."""
    goods = [text(rng) for _ in range(20)]
    bads: list[dict[str, Any]] = [
        {"turns": '[["assistant",null,["cut"'},
        {"turns": '[["captain",null,["x"]]]'},
        {"turns": '[["assistant",null,["a\\u0000b"]]]'},
        {"turns": '[["assistant",null,[" "]]]'},
        {"turns": '[["assistant",null,[[40,30]]]]'},
        {"turns": "[]"},
        {"meta": "[]"},
        {"cells": "{"},
        {"kind": ""},
        {"images": [png(rng)]},
        {"images": [b"no picture"]},
    ]
    whole = store.to_table([world.document("x")]).to_pylist()[0]
    rows = [
        store.to_table([world.document(body)]).to_pylist()[0] if good else whole | body
        for good, body in mixed(rng, goods, bads)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=store.SCHEMA), folder / "a.parquet", row_group_size=8)
    return Corpus(folder / "a.parquet", goods, len(bads))


Maker = Callable[[Path, random.Random], Corpus]
CORPORA: dict[str, tuple[str, Maker]] = {
    "jsonl": ("jsonl", jsonl),
    "jsonl.gz": ("jsonl", lambda folder, rng: jsonl(folder, rng, ".gz")),
    "jsonl.zst": ("jsonl", lambda folder, rng: jsonl(folder, rng, ".zst")),
    "array": ("jsonl", array),
    "csv": ("csv", csv),
    "parquet": ("parquet", parquet),
    "arrow": ("huggingface", lambda folder, rng: parquet(folder, rng, arrow=True)),
    "text": ("text", lambda folder, rng: files(folder, rng, ".txt")),
    "markdown": ("markdown", lambda folder, rng: files(folder, rng, ".md")),
    "html": ("html", html),
    "html_quality": ("html_quality", html),
    "warc": ("warc", warc),
    "warc.gz": ("warc", lambda folder, rng: warc(folder, rng, pack=True)),
    "images": ("images", images),
    "metadata.csv": ("images", lambda folder, rng: images(folder, rng, "metadata.csv")),
    "captions.jsonl": ("images", lambda folder, rng: images(folder, rng, "captions.jsonl")),
    "webdataset": ("webdataset", webdataset),
    "webdataset.gz": ("webdataset", lambda folder, rng: webdataset(folder, rng, ".gz")),
    "webdataset.zst": ("webdataset", lambda folder, rng: webdataset(folder, rng, ".zst")),
    "chat": ("chat", chat),
    "grounding": ("grounding", grounding),
    "screens": ("screens", screens),
    "made": ("made", made),
    "pdf": ("pdf", pdf),
}
"""Name of a corpus to the name of its form and its maker."""

"""Corpora of texts: by lines, in tables, a document a file, crawled pages and PDF."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd
from pypdf import PdfWriter

from tests.data import world
from tests.data.sources.basics import Corpus, mixed, text, told

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
BAD_ROWS = {
    b"too,many,fields": "wrong number of fields",
    b"few": "wrong number of fields",
    b"caf\xe9,x": "not UTF-8",
    b'"open,x': "bad CSV",
    b'"a"b,x': "bad CSV",
    b"null\0byte,x": "null byte",
    b"  ,x": "no text",
}
"""Rows of CSV that are none, and why; the open quote is closed by the next one."""


def _line(body: str) -> bytes:
    return json.dumps({"text": body}, ensure_ascii=False).encode()


def jsonl(folder: Path, rng: random.Random, pack: str = "") -> Corpus:
    goods = [text(rng) for _ in range(60)]
    lines = mixed(rng, map(_line, goods), BAD_LINES.items())
    data = b"\n".join(line for line, _ in lines) + b"\n"
    path = folder / f"a.jsonl{pack}"
    path.write_bytes({"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}[pack](data))
    return Corpus(path, goods, told(lines, f"{path.name} line {{}}"))


def array(folder: Path, rng: random.Random) -> Corpus:
    """One element of a JSON array a record; those that break the array's own form among them."""
    goods = [text(rng) for _ in range(60)]
    bads = [(line, why) for line, why in BAD_LINES.items() if line.startswith(b'{"text"') and b"NaN" not in line]
    bads += [(line, "bad JSON") for line in (b'{"text": "x" "y"}', b'{"text": }', b'{"text": "x"]')]
    bads.append((b'{"text": NaN}', "NaN or infinity"))
    goods.append("the last")
    rows = [*mixed(rng, map(_line, goods[:-1]), bads), (_line(goods[-1]), "")]
    (folder / "a.json").write_bytes(b"[\n" + b",\n".join(row for row, _ in rows) + b"\n]")
    return Corpus(folder / "a.json", goods, told(rows, "a.json element {}"))


def csv(folder: Path, rng: random.Random) -> Corpus:
    goods = [text(rng) for _ in range(60)]
    quoted = [f'"{body.replace(chr(34), chr(34) * 2)}",x'.encode() for body in goods]
    rows = mixed(rng, quoted, BAD_ROWS.items())
    (folder / "a.csv").write_bytes(b"text,label\n" + b"\n".join(row for row, _ in rows) + b"\n")
    lines = accumulate((1 + row.count(b"\n") for row, _ in rows), initial=2)
    broken = [(f"a.csv line {line}", why) for line, (_, why) in zip(lines, rows, strict=False) if why]
    return Corpus(folder / "a.csv", goods, broken)


def parquet(folder: Path, rng: random.Random, arrow: bool = False) -> Corpus:
    goods = [text(rng) for _ in range(60)]
    bads = [(b"caf\xe9", "not UTF-8"), (b"a\0b", "null byte"), (b" ", "no text"), (None, "no text")]
    rows = mixed(rng, map(str.encode, goods), bads)
    values = [value for value, _ in rows]
    column = pa.array(values, pa.binary()).view(pa.string())
    table = pa.table({"text": column, "score": pa.array([float("nan")] * len(values))})
    path = folder / ("a.arrow" if arrow else "a.parquet")
    if arrow:
        with pa.ipc.new_stream(path, table.schema) as out:
            out.write_table(table, max_chunksize=16)
    else:
        pq.write_table(table, path, row_group_size=16)
    return Corpus(path, goods, told(rows, f"{path.name} row {{}}"))


def files(folder: Path, rng: random.Random, ending: str) -> Corpus:
    """Text or Markdown, a document a file."""
    goods = [text(rng) for _ in range(12)]
    bads = [(b"caf\xe9", "not UTF-8"), (b"a\0b", "null byte"), (b"", "no text")]
    bads.append((gzip.compress(b"cut" * 99)[:-9], "truncated gzip"))
    rows = mixed(rng, map(str.encode, goods), bads)
    for number, (body, _) in enumerate(rows, 1):
        (folder / f"{number:03}{ending}").write_bytes(body)
    (folder / f"100{ending}").symlink_to("/etc/hostname")
    (folder / f"101{ending}").symlink_to(folder / f"gone{ending}")
    links = [(f"100{ending}", "path leads outside"), (f"101{ending}", "no such file")]
    return Corpus(folder, goods, told(rows, f"{{:03}}{ending}") + links)


def page(body: str, charset: str = "utf-8") -> bytes:
    lines = body.replace("&", "&amp;").replace("<", "&lt;")
    source = f'<html><head><meta charset="{charset}"><title>t</title></head><body><p>{lines}</p></body></html>'
    return source.encode(charset)


def plain(rng: random.Random) -> str:
    """A text that survives HTML as it is."""
    return f"{rng.choice(('A lamp', '天空是蓝色的', 'Das Café'))} {rng.randrange(10**9)} " + " ".join(world.ENGLISH)


def html(folder: Path, rng: random.Random) -> Corpus:
    goods = [plain(rng) for _ in range(12)]
    bads = [(page("x" * 50)[:-1] + b"\0" * 40, "null byte"), (b"", "no text"), (page("a\0b"), "null byte")]
    bads.append((b"<html><body></body></html>", "no text"))
    rows = mixed(rng, goods, bads)
    for number, (body, why) in enumerate(rows, 1):
        charset = "gb18030" if number % 3 == 0 else "utf-8"
        (folder / f"{number:03}.html").write_bytes(body if why else page(body, charset))
    return Corpus(folder, goods, told(rows, "{:03}.html"))


def warc_record(
    body: bytes, kind: str = "response", url: str = "http://x/1", status: str = "200 OK", sent: str = ""
) -> bytes:
    """A record of a page; `sent` is more lines of its HTTP header."""
    lines = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\n{sent}Content-Length: {len(body)}\r\n\r\n"
    http = lines.encode() + body
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
    head += "WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>\r\n"
    head += f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    return head.encode() + http + b"\r\n\r\n"


def warc(folder: Path, rng: random.Random, pack: str = "") -> Corpus:
    goods = [plain(rng) for _ in range(20)]
    whole = warc_record(page(plain(rng)))
    bad, cut = "bad WARC record", "truncated WARC" if pack else "bad WARC record"
    bads = [
        (whole.replace(b"\r\nContent-Length", b"\r\nContent-Lxngth", 1), bad),
        (whole.replace(b"ponse\r\nContent-Length: ", b"ponse\r\nContent-Length: 9"), cut),
        (whole[:200] + b"\r\n\r\n", bad),
        (warc_record(b"\xff\xfe\0" + b"\xd8" * 99), "not in its encoding"),
    ]
    goods += 2 * [plain(rng)]
    rows = mixed(rng, [warc_record(page(body)) for body in goods[:-2]], bads)
    last = (warc_record(page(goods[-1])), "")
    rows += [last, (whole.replace(b"WARC/1.0", b"WORC/1.0"), bad), last]
    rows = [(warc_record(page("gone"), status="404 Not Found"), ""), (warc_record(b"", "request"), ""), *rows]
    if pack:
        packer = {".gz": gzip.compress, ".zst": zstd.compress}[pack]
        packed = [(packer(row), why) for row, why in rows]
        torn = bytearray(packer(whole))
        torn[60:64] = bytes(255 ^ byte for byte in torn[60:64])
        how = {".gz": "gzip", ".zst": "Zstandard"}[pack]
        ends = (packer(whole)[:-30], f"truncated {how}")
        rows = [*packed[:9], (bytes(torn), f"damaged {how}"), *packed[9:], ends]
    path = folder / f"a.warc{pack}"
    path.write_bytes(b"".join(row for row, _ in rows))
    begins = accumulate((len(row) for row, _ in rows), initial=0)
    broken = [(f"{path.name} byte {at}", why) for at, (_, why) in zip(begins, rows, strict=False) if why]
    return Corpus(path, goods, broken)


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
    bads = [(pdf_of(["x"], "secret"), "locked PDF"), (pdf_of([""]), "scanned PDF")]
    bads += [(row, "damaged PDF") for row in (b"%PDF-1.4\njunk", b"no PDF", pdf_of(["x"])[:-900], b"")]
    rows = mixed(rng, [pdf_of([body, "Second"]) for body in goods], bads)
    for number, (row, _) in enumerate(rows, 1):
        (folder / f"{number:02}.pdf").write_bytes(row)
    return Corpus(folder, [f"{body}\n\nSecond" for body in goods], told(rows, "{:02}.pdf"))

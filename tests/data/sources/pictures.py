"""Corpora whose records may show pictures: beside captions, in tars, in talks, with boxes, screens, our samples."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd

from lapis.data import store
from tests.data import world
from tests.data.sources.basics import Corpus, bad_pictures, encoded, mixed, png, text, told, uri


def images(folder: Path, rng: random.Random, table: str = "") -> Corpus:
    """Pictures beside texts, or with a table."""
    goods = [(png(rng) if number % 2 else encoded("WEBP", 20 + number), text(rng)) for number in range(10)]
    bads: list[tuple[Any, str]] = [((data, "a caption"), why) for why, (_, data) in bad_pictures(rng).items()]
    bads.append(((None, "a caption"), "no such file" if table else "no picture"))
    captions: list[tuple[str, str]] = []
    rows = mixed(rng, goods, bads)
    broken: list[tuple[str, str]] = []
    places = {"metadata.csv": _lines_of(rows), "captions.jsonl": list(range(1, len(rows) + 1))}
    for number, ((data, body), why) in enumerate(rows):
        name = f"{number:03}.webp" if data and data[:4] == b"RIFF" else f"{number:03}.png"
        captions.append((name, body))
        if data is not None:
            (folder / name).write_bytes(data)
        if why:
            beside = name if data is not None else f"{number:03}.txt"
            broken.append((f"{table} line {places[table][number]}" if table else beside, why))
    if table == "metadata.csv":
        quoted = (f'{name},"{body.replace(chr(34), chr(34) * 2)}"\n' for name, body in captions)
        (folder / table).write_text("file_name,text\n" + "".join(quoted), encoding="utf-8")
    elif table:
        lines = [json.dumps({"file_name": name, "caption": body}) for name, body in captions]
        broken += [(f"{table} line {len(lines) + more}", "path leads outside") for more in (1, 2, 3)]
        lines += [json.dumps({"file_name": name, "caption": "x"}) for name in ("../x.png", "/x.png", "999.png")]
        (folder / "999.png").symlink_to(folder.parent / "outside.png")
        (folder.parent / "outside.png").write_bytes(png(rng))
        (folder / table).write_text("\n".join(lines), encoding="utf-8")
    else:
        for name, body in captions:
            (folder / name).with_suffix(".txt").write_text(body.strip(), encoding="utf-8")
        (folder / "alone.png").write_bytes(png(rng))
        broken.append(("alone.png", "no caption"))
    return Corpus(folder, [(data, body if table else body.strip()) for data, body in goods], broken)


def _lines_of(rows: Iterable[tuple[tuple[Any, str], str]]) -> list[int]:
    """Where each caption's row of CSV begins, after the line of names."""
    return list(accumulate((1 + body.count("\n") for (_, body), _ in rows), initial=2))


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
    bads: list[tuple[dict[str, Any], str]] = [({"png": data}, why) for why, (_, data) in bad_pictures(rng).items()]
    links = [{"png": png(rng), "txt": _link("", kind, "/etc/hostname")} for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)]
    bads += [(row, "link in a tar") for row in links]
    bads += [
        ({"txt": b"caf\xe9"}, "not UTF-8"),
        ({"json": b'{"caption": '}, "bad JSON"),
        ({"json": b"[]"}, "wrong type"),
    ]
    bads += [({"png": png(rng)}, "no caption"), ({"cls": b"3"}, "no text")]
    bads += [({name: b"up"}, "path leads outside") for name in ("../x.txt", "/x.txt")]
    bads.append(({"txt": _link("", tarfile.FIFOTYPE, "")}, "no file in a tar"))
    path = folder / f"a.tar{pack}"
    members: list[tuple[str, Any]] = []
    broken: list[tuple[str, str]] = []
    for number, (row, why) in enumerate(
        mixed(rng, [{"png": data, "txt": body.encode()} for data, body in goods], bads)
    ):
        key = f"part/{number:04}{'n' * 120 if number % 5 == 0 else ''}"
        for ending, data in row.items():
            name = f"{ending}" if "/" in ending else f"{key}.{ending}"
            if isinstance(data, tarfile.TarInfo):
                data.name = name
            members.append((name, data))
        if why:
            broken.append((f"{path.name} {members[-1][0].removesuffix('.txt') if 'path' in why else key}", why))
    path.write_bytes({"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}[pack](tar_of(members)))
    return Corpus(path, goods, broken)


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
    said, open_thought = {"from": "gpt", "value": "x"}, {"role": "assistant", "content": "<think>open"}
    user, plain = {"role": "user", "content": "q"}, {"from": "human", "value": "q"}
    bads: list[tuple[Any, str]] = [
        ({"text": "a document"}, "no turns"), ({"conversations": "x"}, "wrong type"),
        ({"conversations": [5]}, "wrong type"), ({"conversations": [{**ask, "value": "q"}]}, "no answer"),
        ({"image": "a.png", "conversations": [ask, said]}, "more marks than pictures"),
        ({"image": "../a.png", "conversations": [plain, said]}, "path leads outside"),
        ({"messages": [user, open_thought]}, "thought without end"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}, {"role": "assistant", "content": "x"}]},
         "unknown part"),
        ({"messages": [user, {"role": "assistant", "content": 5}]}, "wrong type"),
        ({"messages": [user, {"role": "assistant", "content": None}]}, "no text"),
    ]  # fmt: skip
    mix = mixed(rng, rows, bads)
    lines = [json.dumps(row, ensure_ascii=False) for row, _ in mix]
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return Corpus(folder, goods, told(mix, "a.jsonl line {}"))


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
    odd: list[Any] = [[20, 10, 40], ["a", 1, 2, 3], [1, 2, 3, 1e99], "x", 5, None]
    bads: list[tuple[Any, str]] = [(base | {"bbox": box}, "bad box") for box in odd]
    bads += [(base | {"bbox": box}, "box outside the picture") for box in ([20, 10, -4, 5], [190, 10, 40, 20])]
    for name, why in (("../images/a.png", "path leads outside"), ("b.png", "no such file"), (5, "wrong type")):
        bads.append((base | {"bbox": [20, 10, 40, 20], "img_filename": name}, why))
    bads += [({"img_filename": "a.png", "bbox": [1, 1, 2, 2]}, "no text"), ({**base, "elements": []}, "no elements")]
    rows = mixed(rng, goods * 5, bads)
    (folder / "screenspot.json").write_text(json.dumps([row for row, _ in rows], ensure_ascii=False), encoding="utf-8")
    return Corpus(folder, [[100.0, 100.0, 200.0, 200.0]] * 20, told(rows, "screenspot.json element {}"))


def screen(rng: random.Random) -> dict[str, Any]:
    word = ["Save", 8.0, 8.0, 20.0, 10.0]
    element = {"role": "button", "name": "Save", "text": "Save", "box": word[1:], "words": [word], "unique": True}
    facts = {"template": "settings", "lang": "en", "device": "phone", "seed": rng.randrange(99), "split": "train"}
    return {**facts, "elements": [{**element, "data": {"held_word": False}}], "words": [word], "lines": [word]}


def screens(folder: Path, rng: random.Random) -> Corpus:
    whole = screen(rng)
    element = whole["elements"][0]
    odd = ({}, whole | {"lang": "xx"}, whole | {"elements": [element | {"role": "king"}]}, whole | {"elements": 5})
    bads: list[tuple[Any, str]] = [([], "wrong type"), *((row, "bad screen") for row in odd)]
    bads.append((whole | {"elements": [element | {"box": [0, 0, 999, 9]}]}, "box outside the picture"))
    rows = mixed(rng, [whole] * 6, bads)
    for number, (row, _) in enumerate(rows, 1):
        (folder / f"{number:02}.json").write_text(json.dumps(row), encoding="utf-8")
        (folder / f"{number:02}.png").write_bytes(png(rng))
    (folder / "90.json").write_text(json.dumps(whole), encoding="utf-8")
    (folder / "91.json").write_text("{", encoding="utf-8")
    more = [("90.json", "no such file"), ("91.json", "bad JSON")]
    return Corpus(folder, ["screen/ground"] * 6, told(rows, "{:02}.json") + more)


def made(folder: Path, rng: random.Random) -> Corpus:
    """Samples of our own, and rows in which one column is none."""
    goods = [text(rng) for _ in range(20)]
    bads: list[tuple[dict[str, Any], str]] = [
        ({"turns": '[["assistant",null,["cut"'}, "bad sample"),
        ({"turns": '[["captain",null,["x"]]]'}, "bad sample"),
        ({"turns": '[["assistant",null,["a\\u0000b"]]]'}, "null byte"),
        ({"turns": '[["assistant",null,[" "]]]'}, "no text"),
        ({"turns": '[["assistant",null,[[40,30]]]]'}, "bad sample"),
        ({"turns": "[]"}, "bad sample"),
        ({"meta": "[]"}, "bad sample"),
        ({"cells": "{"}, "bad sample"),
        ({"kind": ""}, "no text"),
        ({"images": [png(rng)]}, "bad sample"),
        ({"images": [b"no picture"]}, "no picture"),
    ]
    whole = store.to_table([world.document("x")]).to_pylist()[0]
    own = [store.to_table([world.document(body)]).to_pylist()[0] for body in goods]
    rows = mixed(rng, own, bads)
    table = pa.Table.from_pylist([whole | row for row, _ in rows], schema=store.SCHEMA)
    pq.write_table(table, folder / "a.parquet", row_group_size=8)
    return Corpus(folder / "a.parquet", goods, told(rows, "a.parquet row {}"))

"""Corpora whose records may show pictures: beside captions, in tars, in talks, with boxes, screens, our samples."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd

from lapis.data import store
from tests.data import world
from tests.data.sources.basics import Corpus, bad_pictures, encoded, mixed, png, text, uri


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

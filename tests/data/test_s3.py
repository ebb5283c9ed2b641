"""Shards on S3, against a server of its protocol that the tests start (moto): read, damaged, resumed, out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import torch
from moto.server import ThreadedMotoServer

from lapis import config
from lapis.data import shards, tokenise
from lapis.data.loader import Loader
from lapis.types import InputError
from tests.data import world

ROOT = "s3://bucket/run/shards"
PACK = config.Pack(row_tokens=96, rows=4, tiles=8)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    served = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    served.start()
    host, port = served.get_host_and_port()
    yield f"http://{host}:{port}"
    served.stop()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    tokenizer = tokenise.train_tokenizer([" ".join(world.ENGLISH)] * 5, 400, folder, world.MODEL.tokens_per_tile)
    examples = [tokenise.example(sample, tokenizer, world.MODEL) for sample in world.mixed(40)]
    entries = [shards.write_shard(folder, f"{at}", examples[8 * at : 8 * at + 8]) for at in range(5)]
    shards.write_index(folder, entries, shards.fingerprint(folder))
    return folder


@pytest.fixture()
def bucket(server: str, local: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fsspec.AbstractFileSystem]:
    """A bucket with the shards; the machine's own settings of S3 say where it is."""
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**keys, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.mkdir("bucket")
    files.put([str(path) for path in local.glob("*.*")], "bucket/run/shards/")
    yield files
    files.rm("bucket", recursive=True)
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def loader(root: Path | str, cache: Path, share: tuple[int, int] = (0, 1)) -> Loader:
    mixture, kept = {"prose": 1.0, "screen": 1.0}, config.Cache(str(cache))
    return Loader(root, mixture, PACK, 9, 0, {}, world.MODEL.tokens_per_tile, share=share, cache=kept)


def test_batches_are_those_of_the_folder_from_any_step(
    bucket: fsspec.AbstractFileSystem, local: Path, tmp_path: Path
) -> None:
    for start in (0, 6):
        near, far = (list(loader(root, tmp_path, (1, 2)).iterate(start)) for root in (local, ROOT))
        assert len(near) == len(far) == 9 - start
        for one, other in zip(near, far, strict=True):
            assert torch.equal(one.tokens_BT, other.tokens_BT)
            assert torch.equal(one.tiles_NSS3, other.tiles_NSS3)
    assert len(list(tmp_path.glob("plans/*.npz"))) == 1
    assert {path.name.partition("-")[2] for path in tmp_path.glob("*.arrow")} == {
        path.name for path in local.glob("*.arrow")
    }


def test_a_shard_that_was_altered_on_the_server_is_refused_by_name(
    bucket: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    data = bytearray(bucket.cat_file("bucket/run/shards/2.arrow"))
    data[len(data) // 2] ^= 1
    bucket.pipe_file("bucket/run/shards/2.arrow", bytes(data))
    with pytest.raises(InputError, match=r"s3://bucket/run/shards/2\.arrow: truncated or altered"):
        list(loader(ROOT, tmp_path).iterate())


def test_a_shard_or_an_index_that_is_missing_is_told(bucket: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    bucket.rm("bucket/run/shards/3.tiles.arrow")
    with pytest.raises(InputError, match=r"3\.tiles\.arrow: missing there"):
        list(loader(ROOT, tmp_path).iterate())
    with pytest.raises(InputError, match=r"s3://bucket/elsewhere/index\.json: missing there"):
        loader("s3://bucket/elsewhere", tmp_path)
    with pytest.raises(InputError, match=r"s3://nobucket/x/index\.json: missing there"):
        loader("s3://nobucket/x", tmp_path)

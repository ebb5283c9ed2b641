"""Damaged files of every form: only samples that can be stored and broken records come out, never an error."""

from __future__ import annotations

import functools
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapis.data import store
from lapis.data.sources.forms import FORMS
from lapis.types import InputError
from tests.data.sources import basics, corpora

ODD = (
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b'"',
    b"{",
    b"[" * 999,
    b"NaN",
    b"1e999",
    b"-1",
    b"../",
    b"\n",
    b"WARC/1.0\r\n",
)


@functools.cache
def whole(name: str) -> Path:
    """A corpus of that name, made once."""
    folder = Path(tempfile.mkdtemp())
    corpora.CORPORA[name][1](folder, random.Random(0))
    return folder


def damaged(data: bytes, harm: list[tuple[float, float, bytes]]) -> bytes:
    """Each harm replaces some bytes, at a share of the file, by others."""
    for at, length, new in harm:
        first = int(at * len(data))
        data = data[:first] + new + data[first + int(length**8 * len(data)) :]
    return data


@pytest.mark.parametrize("name", [name for name in corpora.CORPORA if name != "html_quality"])
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(
    harm=st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.one_of(st.binary(max_size=8), st.sampled_from(ODD))),
        min_size=1,
        max_size=4,
    ),
    pick=st.randoms(use_true_random=False),
)
def test_damage_is_told(
    name: str, harm: list[tuple[float, float, bytes]], pick: random.Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("fuzz") / "in"
    shutil.copytree(whole(name), folder, symlinks=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    for path in {pick.choice(files), files[-1]}:
        path.write_bytes(damaged(path.read_bytes(), harm))
    try:
        samples, _ = basics.read(FORMS[corpora.CORPORA[name][0]], folder)
    except InputError as error:
        pytest.fail(str(error))
    assert store.to_table(samples).num_rows == len(samples)
    shutil.rmtree(folder.parent)

"""A file is whole or not there."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from lapis import files
from lapis.types import InputError


def test_a_file_is_replaced_as_a_whole_and_its_folder_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    files.write_json(path, {"b": "是", "a": 1})
    assert json.loads(path.read_text(encoding="utf-8")) == {"b": "是", "a": 1}
    files.write(path, "second")
    assert path.read_text(encoding="utf-8") == "second" and list(path.parent.iterdir()) == [path]


def test_an_error_under_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write(path, "first")
    with pytest.raises(ValueError, match="broken"), files.beside(path) as part:
        part.write_text("half", encoding="utf-8")
        raise ValueError("broken")
    assert path.read_text(encoding="utf-8") == "first" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_line_with_the_name(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(InputError, match=r"a\.txt: could not be written, no room left"),
        files.beside(tmp_path / "a.txt"),
    ):
        raise OSError(number, "full")
    with pytest.raises(PermissionError), files.beside(tmp_path / "a.txt"):
        raise PermissionError(errno.EACCES, "no")


def test_arrow_says_it_in_words() -> None:
    assert files.is_full(OSError("IOError: [Errno 28] Error writing bytes to file: No space left on device"))
    assert not files.is_full(ValueError("No space left on device"))

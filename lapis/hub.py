"""Folders of public files by name: a local one, or a hub repository's in the hub's own cache. Never pickles or code.

Unusual: a process asks the hub once for each, so all that it takes of a repository is of one revision.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from lapis.said import first_line
from lapis.types import InputError

WORDS = ("*.json",)
"""Configs and tokenizers."""
FILES = (*WORDS, "*.safetensors")


def folder_of(
    name: str,
    files: tuple[str, ...] = FILES,
    kind: Literal["model", "dataset"] = "model",
    revision: str | None = None,
) -> Path:
    """A local folder, or a hub repository's `files`, of its main branch where no branch, tag or commit is named.

    Raises InputError where there is neither.
    """
    if Path(name).is_dir():
        return Path(name)
    try:
        return _snapshot(name, files, kind, revision)
    except HFValidationError:
        raise InputError(f"{name}: no such folder, and no name of a hub repository") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(f"{name}: no such folder, and the hub did not give it ({first_line(error)})") from None


@cache
def _snapshot(name: str, files: tuple[str, ...], kind: str, revision: str | None) -> Path:
    return Path(snapshot_download(name, repo_type=kind, revision=revision, allow_patterns=list(files)))

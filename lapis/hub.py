"""Folders of public files by name: a local one, or a hub repository's in the hub's own cache. Never pickles or code."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from lapis.types import InputError

WORDS = ("*.json",)
"""Configs and tokenizers."""
FILES = (*WORDS, "*.safetensors")


def folder_of(name: str, files: tuple[str, ...] = FILES, kind: Literal["model", "dataset"] = "model") -> Path:
    """A local folder, or a hub repository's `files`. Raises InputError where there is neither."""
    if Path(name).is_dir():
        return Path(name)
    try:
        return Path(snapshot_download(name, repo_type=kind, allow_patterns=list(files)))
    except HFValidationError:
        raise InputError(f"{name}: no such folder, and no name of a hub repository") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"{name}: no such folder, and the hub did not give it ({reason})") from None

"""What can go wrong in an engine, by the families that the original names: config and file, memory, inference, release.

What the user can mend is an InputError, whose message is one line. A broken picture or a value out of range is a plain
InputError, since it concerns no engine.
"""

from __future__ import annotations

from lapis.types import InputError


class ConfigFault(InputError):
    """An engine was asked for that cannot be: its sizes, or the model's folder."""


class MemoryFault(InputError):
    """More memory than there is, or than a request may take."""


class PromptTooLong(InputError):
    """Inference: the prompt leaves no room for an answer."""


class DecodeTooLong(InputError):
    """Inference: what must be written does not fit into `max_tokens`."""


class Released(RuntimeError):
    """Release: the engine was closed already."""

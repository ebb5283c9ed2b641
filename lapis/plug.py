"""Code of the user's own by its name, `package.module:attribute`: an adapter's class, a generator of samples.

Only what Python itself would import is found so; nothing is ever taken out of a folder of weights or data.
"""

from __future__ import annotations

import importlib
from typing import Any

from lapis.types import InputError


def named(name: str, field: str) -> Any:
    """What a name stands for. Raises InputError, which begins with `field`, where it cannot be imported."""
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute.isidentifier()):
        raise InputError(f"{field}: {name!r}, expected package.module:name")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"{field}: {name!r} cannot be imported ({error})") from None
    if not hasattr(found, attribute):
        raise InputError(f"{field}: {module} has no {attribute}")
    return getattr(found, attribute)

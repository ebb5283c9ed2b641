"""Lapis: an open recipe for a compact multimodal model that reads screens and thinks on a budget."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lapis.processor import Processor

__version__ = "0.1.0"
__all__ = ["Processor"]


def __getattr__(name: str) -> Any:
    """`lapis.Processor` on first use, so that `import lapis` stays light (torch comes with it)."""
    if name == "Processor":
        from lapis.processor import Processor

        return Processor
    raise AttributeError(f"module 'lapis' has no attribute {name!r}")

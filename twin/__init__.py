"""The pure core: a deterministic fold of facts into a live model of the plant, and what follows from it."""

from twin.core import Twin

__all__ = ["Twin"]

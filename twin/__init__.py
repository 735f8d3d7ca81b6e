"""The pure core: a deterministic fold of facts into a live model of the plant, and what follows from it."""

from twin.core import Twin
from twin.state.document_types import prepare_document_types

__all__ = ["Twin"]

prepare_document_types()

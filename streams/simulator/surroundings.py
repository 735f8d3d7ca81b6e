"""What everybody at a simulated site works with."""

from collections.abc import Callable
from dataclasses import dataclass

from streams.simulator.book import Book
from streams.simulator.dispatch import Dispatch
from streams.simulator.kernel import Kernel
from streams.simulator.plant import Site
from streams.simulator.settings import FactorySettings
from streams.simulator.supply import Supply
from streams.simulator.truth import TruthRecord


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The site of a line, and where its truth is written down."""

    kernel: Kernel
    site: Site
    book: Book
    supply: Supply
    dispatch: Dispatch
    settings: FactorySettings
    truth: Callable[[TruthRecord], None]

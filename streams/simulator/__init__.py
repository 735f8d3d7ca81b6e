"""A plant to try things on: the Line 3 story, a seeded factory with a truth it hides, and a player for both."""

from streams.simulator.committed_clock import CommittedClock
from streams.simulator.factory import Factory, Simulated, simulate
from streams.simulator.line3 import line3_events, line3_timed_events
from streams.simulator.player import Played, Player
from streams.simulator.settings import FactorySettings

__all__ = [
    "CommittedClock",
    "Factory",
    "FactorySettings",
    "Played",
    "Player",
    "Simulated",
    "line3_events",
    "line3_timed_events",
    "simulate",
]

"""A plant to try things on: the Line 3 story, a seeded factory with a truth it hides, and a player for both."""

from streams.simulator.line3 import line3_events, line3_timed_events

__all__ = ["line3_events", "line3_timed_events"]

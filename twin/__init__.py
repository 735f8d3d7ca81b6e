"""The digital twin: a pure fold of events into facts about the plant."""

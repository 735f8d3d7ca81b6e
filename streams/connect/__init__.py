"""Readers of foreign systems: thin processes round the pure functions of streams/adapters."""

"""Adapters turn foreign input into our own events and nothing else: pure functions, one thin reader each."""

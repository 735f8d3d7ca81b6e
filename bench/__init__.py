"""Benchmarks: how many events a second, how soon a card, how soon a drift. `python -m bench`; see README.md."""

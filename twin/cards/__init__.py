"""From risks to cards: owned, ranked, worded, and with a life of their own."""

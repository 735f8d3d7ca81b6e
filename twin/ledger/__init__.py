"""A week in hindsight: what it was, and what it could have been."""

"""Quarantine of a facts record that our own code cannot fold."""


def quarantine_id(partition: int, offset: int) -> str:
    """Id of what is said about a quarantine: its audit record."""
    return f"quarantine/{partition}/{offset}"

"""Bad pieces: who made them, and whether their share has risen."""

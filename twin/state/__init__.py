"""What the twin knows: the live model, its entities and documents, and how they are kept and let go."""

"""What happens on the floor: counts, stops, pace, drift, and where the busy time goes (ISO 22400)."""

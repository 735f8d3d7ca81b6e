"""Material: what is there, what is needed, what runs short when."""

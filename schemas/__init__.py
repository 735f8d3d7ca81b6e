"""The words on the wire: everything that crosses a topic."""

"""The scheduling engine: problems in, checked proposals out, nothing else touched."""

"""Why: the answer to one question in steps, each with its arithmetic."""

"""Why a command cannot be carried out."""


class Refused(Exception):
    """A command cannot be carried out.

    Args:
        reason: one word, as docs/card-life.md and docs/proposals.md list them.
        message: what is wrong, and what to do.
        revision: the present revision of what it is about, where there is one.
    """

    def __init__(self, reason: str, message: str, revision: int | None = None) -> None:
        super().__init__(message)
        self.reason, self.message, self.revision = reason, message, revision

"""The life of a proposal as two tables: what people may do with it, and what answers and time make of it.

draft > proposed > adjusted* > approved > committing > committed | partially_committed | commit_failed;
side exits rejected, expired, superseded.
"""

from typing import get_args

from schemas import ProposalState

STATES: tuple[ProposalState, ...] = get_args(ProposalState)

# Every legal command, by state. An absent pair changes nothing and is answered with the reason.
PROPOSAL_MOVES: dict[ProposalState, dict[str, ProposalState]] = {
    "draft": {"proposal_reject": "rejected"},
    "proposed": {
        "proposal_adjust": "adjusted",
        "proposal_approve": "approved",
        "proposal_reject": "rejected",
    },
    "adjusted": {
        "proposal_adjust": "adjusted",
        "proposal_approve": "approved",
        "proposal_reject": "rejected",
    },
    "approved": {
        "proposal_adjust": "adjusted",
        "proposal_approve": "approved",
        "proposal_reject": "rejected",
        "proposal_commit": "committing",
    },
    # Committing again sends what nobody answered, or what was refused, under the same idempotency keys.
    "committing": {"proposal_commit": "committing"},
    "partially_committed": {"proposal_commit": "committing"},
    "commit_failed": {"proposal_commit": "committing"},
    "committed": {},
    "rejected": {},
    "expired": {},
    "superseded": {},
}

# What answers, time and other plans make of it.
OWN_PROPOSAL_MOVES: dict[ProposalState, dict[str, ProposalState]] = {
    "draft": {"offer": "proposed", "expire": "expired", "supersede": "superseded"},
    "proposed": {"offer": "proposed", "expire": "expired", "supersede": "superseded"},
    "adjusted": {"offer": "adjusted", "expire": "expired", "supersede": "superseded"},
    "approved": {"expire": "expired", "supersede": "superseded"},
    "committing": {
        "finish": "committed",
        "part": "partially_committed",
        "fail": "commit_failed",
        "supersede": "superseded",
    },
    "partially_committed": {},
    "commit_failed": {},
    "committed": {},
    "rejected": {},
    "expired": {},
    "superseded": {},
}

UNDECIDED: frozenset[str] = frozenset({"draft", "proposed", "adjusted"})
"""Nobody has approved it yet."""

OPEN_STATES: frozenset[str] = frozenset({*UNDECIDED, "approved", "committing"})
"""Something can still come of it by itself."""

RETRIED_STATES: frozenset[str] = frozenset({"partially_committed", "commit_failed"})
"""Over, unless somebody commits again what was refused."""

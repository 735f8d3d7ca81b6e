"""Names the real twin as the fold of the shards."""

from importlib.metadata import version

from schemas import SCHEMA_VERSION, decode_facts
from streams.fold import FoldKind
from twin import Twin

TWIN = FoldKind(
    new=Twin,
    restore=Twin.restore,
    decode=decode_facts,
    count_and_digest=Twin.count_and_digest,
    now=Twin.now_in,
    schema_version=SCHEMA_VERSION,
    code_version=version("foresite"),
)
"""What `foresite twin` runs and `foresite verify` folds again."""

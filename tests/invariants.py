"""What holds of a twin at any time, for the tests that make up its history."""

from itertools import pairwise

from tests.folding import Folded
from twin.recompute import picture_of, recompute


def assert_recomputed(folded: Folded) -> None:
    """The incremental picture is the one worked out from scratch; to be asked right after a tick.

    Raises:
        PlanCircular: runs wait for each other, and no picture is right.
    """
    now = folded.twin.now
    assert now is not None
    expected = recompute(folded.documents, now)
    assert expected == picture_of(folded.twin.model, now)


def assert_conserved(folded: Folded) -> None:
    """Good and scrap add up, no edge hangs loose, buckets do not overlap, and no output id is used twice."""
    model = folded.twin.model
    for key, each in model.runs.items():
        assert each.progress.good_pcs >= 0
        assert each.progress.made_pcs >= each.progress.good_pcs
        assert model.line_of_run[key].runs[each.run_id] is each
    nodes = {
        body.node_id for body in folded.on("twin.graph.v1") if body is not None and body.element == "node"
    }
    for body in folded.on("twin.graph.v1"):
        if body is not None and body.element == "edge":
            assert {body.from_id, body.to_id} <= nodes
    for line in model.lines.values():
        assert all(first.end_s <= second.start_s for first, second in pairwise(line.buckets))
    ids = [output.output_id for output in folded.outputs]
    assert len(ids) == len(set(ids)), "an output id was used twice"

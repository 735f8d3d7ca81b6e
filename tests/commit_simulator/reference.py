"""What the topics must hold: a straight fold of the facts, compared at every commit and at the end."""

from collections import Counter
from collections.abc import Iterator

from streams.state_topic import MANIFEST_KEY, Manifest
from tests.commit_simulator.broker import Broker, Transaction
from tests.toy_fold import OUTPUT_TOPIC, TOY, ToyTwin


class Reference:
    """One fold a partition that nothing ever happens to.

    Attributes:
        committed: facts offset of each partition's last visible manifest.
    """

    def __init__(self, partitions: int) -> None:
        self.committed = [0] * partitions
        self._folds = [ToyTwin() for _ in range(partitions)]
        self._digests = [[fold.digest] for fold in self._folds]
        self._said: list[tuple[str, str, int]] = []

    def fold(self, partition: int, value: bytes) -> None:
        """Fold a facts record as it is appended."""
        fold = self._folds[partition]
        for output in fold.apply(TOY.decode(value)):
            self._said.append((output.output_id, output.key, partition))
        self._digests[partition].append(fold.digest)

    def judge_commit(self, broker: Broker, transaction: Transaction) -> Iterator[str]:
        """Each commit must move its shard forward, to exactly what a straight fold says there."""
        partition = shard_of(transaction.producer)
        visible = broker.logs["state"][partition].read_committed()
        manifests = [entry.value for entry in visible if entry.key == MANIFEST_KEY.encode()]
        if not manifests:
            yield f"partition {partition}: a commit without a manifest"
            return
        manifest = Manifest.decode(manifests[-1] or b"")
        before, self.committed[partition] = self.committed[partition], manifest.facts_offset
        if manifest.facts_offset <= before:
            yield f"partition {partition} went from {before} back to {manifest.facts_offset}"
        if manifest.digest != self._digests[partition][manifest.facts_offset]:
            yield f"partition {partition} at {manifest.facts_offset}: not the digest of a straight fold"

    def judge_end(self, broker: Broker) -> Iterator[str]:
        """State, outputs and their order, once everything is folded."""
        for partition, fold in enumerate(self._folds):
            documents = {
                (entry.key or b"").decode(): entry.value
                for entry in broker.logs["state"][partition].read_committed()
            }
            documents.pop(MANIFEST_KEY, None)  # compared at its commit
            if documents != dict(fold.documents):
                yield f"state of partition {partition} is not what a straight fold says"
        said = [
            dict(entry.headers)["ce_id"].decode()
            for log in broker.logs[OUTPUT_TOPIC]
            for entry in log.read_committed()
        ]
        expected = {output_id for output_id, _, _ in self._said}
        if missing := sorted(expected - set(said)):
            yield f"{len(missing)} outputs are missing: {missing[:3]}"
        if extra := sorted(
            name for name, count in Counter(said).items() if count > 1 or name not in expected
        ):
            yield f"{len(extra)} outputs are there twice or from nowhere: {extra[:3]}"
        yield from self._judge_order(said)

    def _judge_order(self, said: list[str]) -> Iterator[str]:
        """Outputs of one shard and key stand in the order in which the facts caused them."""
        place = {output_id: number for number, output_id in enumerate(said)}
        last: dict[tuple[str, int], int] = {}
        for output_id, key, partition in self._said:
            here = place.get(output_id, -1)
            if here < last.get((key, partition), -1):
                yield f"{output_id} stands before an earlier output of {key}"
                return
            last[key, partition] = here


def shard_of(producer_id: str) -> int:
    """Partition of the shard that writes under this transactional id."""
    return int(producer_id.split("-")[1])


def decided_position(broker: Broker, partition: int) -> int:
    """Facts offset of the last manifest whose transaction is decided, whether its markers are written or not."""
    for entry in reversed(broker.logs["state"][partition].entries):
        transaction = entry.transaction
        if entry.key == MANIFEST_KEY.encode() and transaction and transaction.outcome == "committed":
            return Manifest.decode(entry.value or b"").facts_offset
    return 0

"""A whole twin worker process around the toy fold: `python -m tests.toy_worker '<settings as JSON>'`."""

import json
import logging
import sys
import time

from streams.batch import Batch
from streams.settings import Settings
from streams.shard_keeper import ShardMetrics
from streams.twin_worker import run
from tests.toy_fold import TOY

BORN = time.time()


class PrintedMetrics(ShardMetrics):
    """Prints what the tests and the measurements want to know."""

    def __init__(self) -> None:
        self.commits = 0

    def restored(self, partition: int, seconds: float) -> None:
        print(f"restored {partition} {seconds:.3f} s, {time.time() - BORN:.2f} s after start", flush=True)

    def committed(self, partition: int, seconds: float, batch: Batch) -> None:
        if not self.commits:
            print(f"first commit {time.time() - BORN:.2f} s after start", flush=True)
        self.commits += 1
        oldest_s = time.time() - min(batch.arrived_at)
        records = len(batch.arrived_at)
        print(f"commit {partition} {seconds * 1000:.1f} ms, {records} records, {oldest_s:.3f} s", flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    sys.exit(run(Settings(**json.loads(sys.argv[1])), TOY, PrintedMetrics()))

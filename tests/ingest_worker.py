"""A whole ingest process: `python -m tests.ingest_worker '<settings as JSON>'`."""

import json
import logging
import sys

from streams.ingest import run
from streams.settings import Settings

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    sys.exit(run(Settings(**json.loads(sys.argv[1]))))

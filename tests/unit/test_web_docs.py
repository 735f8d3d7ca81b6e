"""The curl calls of docs/web.md do what the document says, on a plant with a line and an order."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from schemas import TOPICS, topics
from streams.embedded_broker import EmbeddedBroker
from tests.running import messages
from tests.web_plant import line, node, order, plan_state, web_plant

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "web.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on the PATH")
def test_each_call_is_answered() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    calls = [call for block in blocks for call in re.split(r"\n(?=curl)", block.strip())]
    assert len(calls) > 10

    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        with web_plant(broker.bootstrap_servers) as plant:
            plant.card("L1")
            plant.tell(topics.LINES, "lyon/L1", line("L1", "lyon"))
            plant.tell(topics.ORDER_PROJECTIONS, "lyon/1", order("1", "lyon"))
            plant.tell(topics.PLANS, "P1", plan_state("P1"))
            plant.tell(topics.GRAPH, "line/lyon/L1", node("line", "L1", "lyon"))
            failed = {}
            for call in calls:
                here = call.replace("localhost:8410", plant.url).replace(
                    "curl -s", "curl --fail-with-body -s", 1
                )
                done = subprocess.run(
                    ["sh", "-c", here], capture_output=True, text=True, timeout=60, check=False
                )
                if done.returncode or not done.stdout:
                    failed[call] = done.stdout + done.stderr
            sent = messages(plant.settings, topics.COMMANDS)

    assert {} == failed
    assert 1 == len(sent)

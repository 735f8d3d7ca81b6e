"""`foresite up` with people to tell: from ten events to a webhook and a mail, on the broker in memory."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.notify_plant import SECRET, mail_server, receiver
from tests.running import ROOT, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

EVENTS = ROOT / "examples" / "first_card" / "events.ndjson"


def test_the_first_card_reaches_its_owner_by_mail_and_webhook(tmp_path: Path) -> None:
    with receiver() as hook, mail_server() as box:
        file = tmp_path / "notify.yaml"
        config = {
            "mail": {"host": "127.0.0.1", "port": box.port, "security": "none", "from": "f@plant.example"},
            "webhooks": {"hook": {"url": hook.url, "allow_http": True}},
            "people": {"roy": {"name": "O. Roy", "mail": "roy@plant.example", "webhook": "hook"}},
            "default": "roy",
        }
        file.write_text(json.dumps(config), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "up", "--clock", "events"],
            cwd=ROOT,
            env={
                **os.environ,
                "COLUMNS": "300",
                "FORESITE_WEB_PORT": "0",
                "FORESITE_NOTIFY_CONFIG": str(file),
                "FORESITE_NOTIFY_WEBHOOK_SECRETS": json.dumps({"hook": SECRET}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert process.stdout is not None
            found = re.search(r"on (127\.0\.0\.1:\d+)", process.stdout.readline())
            assert found is not None
            assert "Running ingest, twin, solver, web, notify on" in process.stdout.readline()
            subprocess.run(
                [sys.executable, "-m", "streams.cli", "publish", str(EVENTS), "--kafka", found[1]],
                cwd=ROOT,
                check=True,
                capture_output=True,
            )
            wait_until(lambda: bool(hook.posted) and bool(box.mails), 90.0)
            process.send_signal(signal.SIGTERM)
            assert 0 == process.wait(60), process.stdout.read()
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

        [posted], [mail] = hook.posted, box.mails
        assert posted.is_signed
        assert posted.body["notices"][0]["card"]["title"] == mail["Subject"]
        assert mail["Subject"].startswith(
            "Line 1 is down: #7001 for Acme will miss its date of Mon 5 Jan 18:00"
        )
        assert f"<{posted.key}@plant.example>" == mail["Message-ID"]

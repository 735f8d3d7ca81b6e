"""Questions about the past and about reasons: answered by folding the facts again, in a process of its own.

So they cannot slow the page, need no memory here, and are ended when they take too long. The answer is word for word that
of `foresite as-of` and `foresite why`.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import orjson
import structlog

from streams.settings import Settings
from streams.web.problems import Problem, unavailable

log = structlog.get_logger(__name__)

ANSWER_BYTES_MAX: Final = 64_000_000
"""Too small: no picture of a large plant. Too large: memory, for one answer at a time."""

CHUNK_BYTES: Final = 65_536


class Past:
    """Folds, one question at a time.

    Args:
        settings: where Kafka is, and how long it may take.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_busy = False

    async def picture(self, time: str, site_id: str | None) -> list[dict[str, Any]]:
        """Records of the picture as of a moment: topic, key and value.

        Raises:
            Problem: it cannot be had.
        """
        site = [] if site_id is None else ["--site", site_id]
        return [
            orjson.loads(line)
            for line in (await self._fold(["as-of", *site, "--json", "--", time])).splitlines()
        ]

    async def why(self, name: str, site_id: str | None, time: str | None) -> dict[str, Any]:
        """The path and the arithmetic of a card, an order or a line.

        Raises:
            Problem: there is no such thing in the picture, or it cannot be had.
        """
        site = [] if site_id is None else ["--site", site_id]
        moment = [] if time is None else ["--as-of", time]
        answer: dict[str, Any] = orjson.loads(await self._fold(["why", *site, *moment, "--json", "--", name]))
        return answer

    async def _fold(self, arguments: Sequence[str]) -> bytes:
        if self._is_busy:
            raise unavailable("folding", "another question about the past is being answered", after_s=5)
        self._is_busy = True
        try:
            async with asyncio.timeout(self._settings.web_fold_timeout_s):
                return await self._run(arguments)
        finally:
            self._is_busy = False

    async def _run(self, arguments: Sequence[str]) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "streams.cli", *arguments),
            env={**os.environ, **_environment(self._settings)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            answer, said = await asyncio.gather(_read(process.stdout), _read(process.stderr))
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code == 0:
            return answer
        words = said.decode(errors="replace").strip().removeprefix("foresite: ")
        if code == 2:
            raise Problem(404, "not_found", "Not in this picture", words)
        log.error("fold_failed", exit_code=code, error=words[-2_000:])
        raise Problem(502, "fold_failed", "The facts could not be folded", words[-500:])


async def _read(stream: asyncio.StreamReader) -> bytes:
    parts, size = [], 0
    while part := await stream.read(CHUNK_BYTES):
        size += len(part)
        if size > ANSWER_BYTES_MAX:
            raise Problem(413, "too_large", "The answer is too large", "ask for one site (site=)")
        parts.append(part)
    return b"".join(parts)


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "FORESITE_KAFKA": settings.kafka,
        "FORESITE_APP": settings.app,
        "FORESITE_TOPIC_PREFIX": settings.topic_prefix,
        "FORESITE_FACTS_PARTITIONS": str(settings.facts_partitions),
        "FORESITE_PLANNING_GROUPS": orjson.dumps(settings.planning_groups).decode(),
        "FORESITE_KAFKA_CONFIG": orjson.dumps(settings.kafka_config).decode(),
    }

"""The page: its shell, and the modules, styles and vendored code that it loads, all from this package.

Each file stands under the fingerprint of all of them, so browsers may keep it for ever and never mix two versions.
"""

import gzip
import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from fastapi import FastAPI, Path, Request
from starlette.responses import Response

from streams.web.problems import Problem

STATIC: Final = "/static"

PAGES: Final = (
    "/",
    "/cards/{rest:path}",
    "/proposals/{rest:path}",
    "/lines",
    "/lines/{rest:path}",
    "/orders",
    "/orders/{rest:path}",
    "/plan",
    "/graph/{rest:path}",
    "/ledger",
    "/data",
    "/help",
    "/sign-in",
)
"""Addresses of pages: each answers the same shell, and its script shows what the address names."""

MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""What is served. Files of other kinds are not."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
"""Of the shell. No script stands in it, and no text can become one: the page never makes markup of a string."""

FOREVER: Final = "public, max-age=31536000, immutable"

VERSION_LENGTH: Final = 16


class StaticFile(NamedTuple):
    """One file as it is sent."""

    media_type: str
    body: bytes
    gzipped: bytes


class StaticFiles:
    """All files of the page, read once.

    Attributes:
        version: fingerprint of all of them.
        by_path: path below `static` -> the file.
        shell: the page that every address answers.
    """

    def __init__(self) -> None:
        found = dict(sorted(_walk(files("streams.web").joinpath("static"), "")))
        digest = hashlib.sha256()
        for path, body in found.items():
            digest.update(b"%s\0%d\0" % (path.encode(), len(body)) + body)
        self.version = digest.hexdigest()[:VERSION_LENGTH]
        shell = found.pop("index.html").decode()
        self.shell = shell.replace("{{static}}", f"{STATIC}/{self.version}").encode()
        self.by_path = {path: _static_file(path, body) for path, body in found.items()}


def add_page(app: FastAPI, static: StaticFiles) -> None:
    """Add the routes of the page."""

    async def shell() -> Response:
        """The page, whatever it is about to show."""
        headers = {"Content-Security-Policy": POLICY}
        return Response(static.shell, media_type=MEDIA_TYPES[".html"], headers=headers)

    for path in PAGES:
        app.add_api_route(path, shell, include_in_schema=False)

    @app.get(f"{STATIC}/{{version}}/{{path:path}}", include_in_schema=False)
    async def static_file(request: Request, version: str, path: str = Path(max_length=200)) -> Response:
        """A file of this version of the page."""
        file = static.by_path.get(path)
        if file is None or version != static.version:
            raise Problem(404, "not_found", "No such file", "the page is of another version: load it again")
        headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(file.gzipped, media_type=file.media_type, headers=headers)
        return Response(file.body, media_type=file.media_type, headers=headers)


def _static_file(path: str, body: bytes) -> StaticFile:
    return StaticFile(MEDIA_TYPES[_ending(path)], body, gzip.compress(body, 9, mtime=0))


def _ending(path: str) -> str:
    return path[path.rfind(".") :]


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif _ending(entry.name) in MEDIA_TYPES:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found

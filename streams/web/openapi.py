"""The OpenAPI document of the API, and a page that shows it without any script."""

from collections.abc import Iterator
from html import escape
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from schemas import TOPIC_OF_KIND
from schemas.commands import AnyCommand
from streams.site_binding import bound_inputs
from streams.web.access import API, COMMAND_ROLES, ROLES, ROUTES
from streams.web.answers import QuoteAsked
from streams.web.problems import MEDIA_TYPE, ProblemBody

REFERENCE: Final = "#/components/schemas/{model}"

OURS: Final = ("actor", "event_id", "event_time", "source_id", "source_sequence", "schema_version")
"""Fields of commands that the server sets."""

_SUMMARY: Final = """The operating picture above ERP and MES: what is at risk, whose it is, until when, what could be done.

Documents are those of the topics, word for word. Commands are taken when Kafka has them; what became of them comes back
through the log. Errors are application/problem+json with a request id."""


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The document; made once, and then kept by the application."""
    if app.openapi_schema:
        return app.openapi_schema
    document: dict[str, Any] = get_openapi(
        title=app.title, version=app.version, description=_SUMMARY, routes=app.routes
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _add(schemas, "PostedCommand", TypeAdapter(AnyCommand).json_schema(ref_template=REFERENCE))
    _add(schemas, "PostedEvents", _posted_events())
    _add(schemas, "QuoteAsked", QuoteAsked.model_json_schema(ref_template=REFERENCE))
    _add(schemas, "Problem", ProblemBody.model_json_schema(ref_template=REFERENCE))
    for kind_schema in [each for each in schemas.values() if _kind_of(each) in COMMAND_ROLES]:
        for name in OURS:
            kind_schema["properties"].pop(name, None)
        kind_schema["required"] = sorted({"kind", *kind_schema.get("required", [])} - set(OURS))
    document["components"]["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A static token, or an OIDC access token.",
        },
        "cookie": {"type": "apiKey", "in": "cookie", "name": "foresite"},
    }
    problem = {
        "description": "What went wrong, and what to do next.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path, method, operation in _operations(document):
        least = next(
            (
                role
                for (verb, route), role in ROUTES.items()
                if (verb.lower(), _plain(route)) == (method, path)
            ),
            None,
        )
        operation["responses"].pop("422", None)
        operation["responses"]["default"] = problem
        if least is not None:
            operation["security"] = [{"bearer": []}, {"cookie": []}]
            operation["description"] = (
                f"{operation.get('description', '')}\n\nNeeds the role {least}.".strip()
            )
    app.openapi_schema = document
    return document


def _posted_events() -> dict[str, Any]:
    """One event or several; each by the schema of its kind, which docs/schemas holds."""
    event = {
        "type": "object",
        "description": "An event of some input kind: events/<kind>.json of `foresite schemas export`.",
        "properties": {"kind": {"enum": sorted(_publishable())}},
        "required": ["kind"],
    }
    return {"oneOf": [event, {"type": "array", "items": event}]}


def _publishable() -> Iterator[str]:
    return (kind for kind, topic in TOPIC_OF_KIND.items() if topic in bound_inputs())


def docs_page(document: dict[str, Any]) -> str:
    """The document as plain HTML: every operation with its arguments, answers and role."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Foresite API</title>",
        f"<h1>Foresite API {escape(document['info']['version'])}</h1>",
        f"<p>{escape(document['info']['description'])}</p>",
        f'<p>For machines: <a href="{API}/openapi.json">openapi.json</a>. Roles: {", ".join(ROLES)}.</p>',
    ]
    for path, method, operation in _operations(document):
        parts.append(
            f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation.get('description', ''))}</p>"
        )
        rows = [
            f"<li><code>{escape(each['name'])}</code> ({escape(each['in'])}"
            f"{', needed' if each.get('required') else ''}) {escape(each.get('description', ''))}</li>"
            for each in operation.get("parameters", [])
        ]
        parts.append(f"<ul>{''.join(rows)}</ul>" if rows else "")
        parts.append(f"<p>Answers: {escape(', '.join(_answers(operation)))}</p>")
    return "".join(parts)


def _answers(operation: dict[str, Any]) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        for content in answer.get("content", {}).values():
            name = str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
            yield f"{status} {name}".strip()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _plain(route: str) -> str:
    return route.replace(":path}", "}")


def _kind_of(schema: dict[str, Any]) -> str:
    return str(schema.get("properties", {}).get("kind", {}).get("const", ""))


def _add(schemas: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    schemas.update({key: value for key, value in schema.pop("$defs", {}).items() if key not in schemas})
    schemas[name] = schema

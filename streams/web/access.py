"""Who may do what: one table of routes and one of commands. What is in neither is denied.

Law: a route without a row here answers nobody, and a test walks every route with every role.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from streams.web.page import PAGES, STATIC

Person = Literal["viewer", "planner", "approver", "admin"]
"""Each may do what those before it may."""

Role = Person | Literal["publisher"]
"""A publisher is a program that posts events: it may do that and nothing else, and no person may."""

ROLES: Final[tuple[Person, ...]] = get_args(Person)
PUBLISHER: Final = "publisher"

API: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        name: actor of their commands.
        via: how they signed in; local: there is no sign-in, and this is whoever runs the role.
        expires_at: POSIX seconds until which that holds; None: as long as the list of tokens says so.
        publishes_as: of a publisher, its role on Kafka, as `publisher-mes` or `lyon.publisher-mes`: topics and sites
            follow from it.
    """

    name: str
    role: Role
    via: Literal["local", "token", "oidc"]
    expires_at: float | None = None
    publishes_as: str = ""


ROUTES: Final[Mapping[tuple[str, str], Role | None]] = {
    **{("GET", path): None for path in PAGES},
    ("GET", f"{STATIC}/{{version}}/{{path:path}}"): None,
    ("GET", f"{API}/me"): "viewer",
    ("POST", f"{API}/session"): "viewer",
    ("DELETE", f"{API}/session"): "viewer",
    ("GET", f"{API}/snapshot"): "viewer",
    ("GET", f"{API}/stream"): "viewer",
    ("GET", f"{API}/cards"): "viewer",
    ("GET", f"{API}/cards/{{card_id:path}}"): "viewer",
    ("GET", f"{API}/orders"): "viewer",
    ("GET", f"{API}/orders/{{order_id:path}}"): "viewer",
    ("GET", f"{API}/lines"): "viewer",
    ("GET", f"{API}/lines/{{line_id:path}}"): "viewer",
    ("GET", f"{API}/names"): "viewer",
    ("GET", f"{API}/graph/{{node_type}}/{{entity_id:path}}"): "viewer",
    ("GET", f"{API}/proposals"): "viewer",
    ("GET", f"{API}/proposals/{{proposal_id:path}}"): "viewer",
    ("GET", f"{API}/plan"): "viewer",
    ("GET", f"{API}/ledger"): "viewer",
    ("GET", f"{API}/audit"): "viewer",
    ("GET", f"{API}/data"): "viewer",
    ("GET", f"{API}/as-of"): "viewer",
    ("GET", f"{API}/why/{{name:path}}"): "viewer",
    ("GET", f"{API}/commands/{{command_id:path}}"): "viewer",
    ("GET", f"{API}/openapi.json"): "viewer",
    ("GET", f"{API}/docs"): "viewer",
    ("POST", f"{API}/commands"): "planner",
    ("POST", f"{API}/quote"): "planner",
    ("GET", f"{API}/access"): "admin",
    ("POST", f"{API}/events"): PUBLISHER,
}
"""Method and path -> the least role; None: anybody."""

COMMAND_ROLES: Final[Mapping[str, Role]] = {
    "card_acknowledge": "planner",
    "card_assign": "planner",
    "card_start": "planner",
    "card_snooze": "planner",
    "card_resolve": "planner",
    "card_dismiss": "planner",
    "card_reopen": "planner",
    "stop_duration_report": "planner",
    "quote_request": "planner",
    "replan_request": "planner",
    "proposal_adjust": "planner",
    "proposal_reject": "planner",
    "proposal_approve": "approver",
    "proposal_commit": "planner",
}
"""Kind -> the least role. Only what an approver approved can be committed; that it must be another person, where the rules
say so (plan_four_eyes), is judged by the twin."""


def may(role: Role, least: Role) -> bool:
    """Whether a role is at least another one."""
    if role == PUBLISHER or least == PUBLISHER:
        return role == least
    return ROLES.index(role) >= ROLES.index(least)


def commands_of(role: Role) -> list[str]:
    """Kinds of commands that a role may send."""
    return [kind for kind, least in COMMAND_ROLES.items() if may(role, least)]

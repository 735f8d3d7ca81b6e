"""Plans and proposals as they now stand on Kafka: the last word of each on twin.plans.v1, and the options behind it."""

from collections.abc import Iterator

from confluent_kafka import Message

from schemas import PlanState, Proposal, UsageError, topics
from streams.facts_log import partition_count
from streams.partition_reader import read_to_end, reader
from streams.settings import Settings
from streams.web_client import WebClient
from twin.decisions.proposal_life import OPEN_STATES, RETRIED_STATES

COMMITTED = "committed/"
"""Begins the ids of the committed plans of sites."""


def read_plans(settings: Settings) -> dict[str, PlanState]:
    """Every committed plan and proposal, by id.

    Raises:
        KafkaException: the broker does not answer.
    """
    plans: dict[str, PlanState] = {}
    for message in _messages(settings, topics.PLANS):
        key, value = _text(message.key()), message.value()
        if value is None:
            plans.pop(key, None)
        else:
            plans[key] = PlanState.model_validate_json(value)
    return plans


def read_proposals(settings: Settings) -> list[PlanState]:
    """Proposals, those that wait for somebody first, the newest first.

    Raises:
        KafkaException: the broker does not answer.
    """
    if settings.web_url is not None:
        found = WebClient(settings).plans()
    else:
        found = [plan for key, plan in read_plans(settings).items() if not key.startswith(COMMITTED)]
    return sorted(
        found, key=lambda plan: (plan.state not in OPEN_STATES, -plan.as_of.timestamp(), plan.plan_id)
    )


def find_proposal(settings: Settings, name: str) -> PlanState:
    """A proposal as it now stands; its id may be shortened to any part that only it has.

    Raises:
        UsageError: no proposal has it, or several do.
        KafkaException: the broker does not answer.
    """
    plans = read_proposals(settings)
    found = [plan for plan in plans if plan.plan_id == name] or [
        plan for plan in plans if name in plan.plan_id
    ]
    alive = [plan for plan in found if plan.state in OPEN_STATES or plan.state in RETRIED_STATES]
    found = alive or found
    if not found:
        raise UsageError(f"no proposal is called {name!r}; `foresite proposal list` shows what there is")
    if len(found) > 1:
        names = ", ".join(plan.plan_id for plan in found[:5])
        raise UsageError(f"{name!r} could be any of {len(found)} proposals: {names}")
    return found[0]


def read_options(settings: Settings, plan: PlanState) -> Proposal | None:
    """The revision of the solver's answer that a proposal stands at; None where the topic holds it no more.

    Raises:
        KafkaException: the broker does not answer.
    """
    if settings.web_url is not None:
        return WebClient(settings).options(plan.plan_id)
    found: Proposal | None = None
    for message in _messages(settings, topics.PROPOSALS):
        value = message.value()
        if _text(message.key()) != plan.plan_id or value is None:
            continue
        proposal = Proposal.model_validate_json(value)
        if plan.proposal_revision in (None, proposal.revision):
            found = proposal
    return found


def _messages(settings: Settings, topic: str) -> Iterator[Message]:
    name = settings.topic_prefix + topic
    with reader(settings.client_config(), "read_committed") as consumer:
        for partition in range(partition_count(consumer, name)):
            yield from read_to_end(consumer, name, partition)


def _text(key: bytes | str | None) -> str:
    return key.decode() if isinstance(key, bytes) else key or ""

"""The command line through web: what it reads, what it commands, and how it says no."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from schemas import TOPICS, CommandResult, UsageError, topics
from streams.desk import card_command, find_card, send
from streams.embedded_broker import EmbeddedBroker
from streams.latest_plans import find_proposal, read_options
from streams.settings import Settings
from streams.web.tokens import new_token
from streams.web_client import WebClient, WebRefused
from tests.notify_plant import NOON
from tests.running import messages, wait_until
from tests.web_plant import WebPlant, plan_state, proposal, web_plant


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WebPlant, str]]:
    """A plant with a planner, and the planner's token."""
    path = tmp_path_factory.mktemp("web") / "tokens"
    token, line = new_token("kim", "planner")
    path.write_text(line)
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        with web_plant(broker.bootstrap_servers, web_tokens_file=path, web_requests_per_min=10_000) as plant:
            yield plant, token


def through(plant: WebPlant, token: str) -> Settings:
    """Settings of somebody who has no Kafka at all."""
    return Settings(kafka="127.0.0.1:9", web_url=plant.url, web_token=SecretStr(token))


def test_a_command_goes_through_web_in_the_name_of_the_token(secured: tuple[WebPlant, str]) -> None:
    plant, token = secured
    settings = through(plant, token)
    plant.card("A")
    card = find_card(settings, "line/A/")
    command = card_command(settings, "card_acknowledge", card, "mallory", None)

    with ThreadPoolExecutor(1) as other:
        answer = other.submit(send, settings, command, card.card_id)
        wait_until(lambda: len(messages(plant.settings, topics.COMMANDS)) == 1, 60.0)
        made = CommandResult(
            output_id="r",
            command_id=command.command_id,
            command_kind=command.kind,
            actor="kim",
            site_id="S1",
            outcome="accepted",
            current_revision=2,
            as_of=NOON,
        )
        plant.tell(topics.COMMAND_RESULTS, command.command_id, made)

    assert made == answer.result()
    assert b'"actor":"kim"' in (messages(plant.settings, topics.COMMANDS)[0].value() or b"")


def test_a_stale_command_is_refused_as_the_twin_would(secured: tuple[WebPlant, str]) -> None:
    plant, token = secured
    settings = through(plant, token)
    old = plant.card("B")
    plant.card("B", 2)

    result = send(settings, card_command(settings, "card_start", old, "kim", None), old.card_id)

    assert ("rejected", "stale_revision", 2) == (result.outcome, result.reason, result.current_revision)
    assert "you looked at revision 1, it is at 2" in result.message


def test_proposals_are_read_through_web_too(secured: tuple[WebPlant, str]) -> None:
    plant, token = secured
    plant.tell(topics.PLANS, "P-1", plan_state("P-1"))
    plant.tell(topics.PROPOSALS, "P-1", proposal("P-1"))
    settings = through(plant, token)

    plan = find_proposal(settings, "P-")
    options = read_options(settings, plan)

    assert ("P-1", "P-1") == (plan.plan_id, options.proposal_id if options else None)


def test_every_page_is_read(secured: tuple[WebPlant, str], monkeypatch: pytest.MonkeyPatch) -> None:
    plant, token = secured
    monkeypatch.setattr("streams.web_client.PAGE", 2)
    made = {plant.card(f"N{number}").card_id for number in range(5)}

    assert made <= {card.card_id for card in WebClient(through(plant, token)).cards()}


def test_who_is_not_known_is_told_what_to_do(secured: tuple[WebPlant, str]) -> None:
    with pytest.raises(WebRefused, match="Sign in first: this token is not known"):
        find_card(through(secured[0], "nonsense"), "x")


def test_a_token_never_passes_in_plain_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="plain text"):
        WebClient(Settings(web_url="http://web.example", web_token=SecretStr("t")))
    with pytest.raises(UsageError, match="cannot be read"):
        WebClient(Settings(web_url="https://web.example", web_token_file=tmp_path / "none"))

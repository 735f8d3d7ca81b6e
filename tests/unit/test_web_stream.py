"""The snapshot and the stream behind it: whole documents, a cursor that outlives the process, limits on clients."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from schemas import UsageError, topics
from streams.web import cursor
from streams.web.documents import Document, Shelf
from tests.notify_plant import NOON
from tests.web_plant import WebPlant, events, line, order, plan_state, proposal, web_plant


@pytest.fixture(scope="module")
def running() -> Iterator[WebPlant]:
    with web_plant(web_requests_per_min=100_000) as plant:
        yield plant


def the_cursor(plant: WebPlant) -> str:
    with plant.client() as client:
        return str(client.get("/api/v1/snapshot").json()["cursor"])


def test_a_snapshot_holds_what_needs_somebody_and_the_stream_goes_on_behind_it() -> None:
    with web_plant() as plant, plant.client() as client:
        low, high = plant.card("L1", score=10.0), plant.card("L2", score=20.0)
        plant.card("L9", state="closed")
        plant.tell(topics.LINES, "S1/L1", line("L1"))
        plant.tell(topics.ORDER_PROJECTIONS, "S1/4471", order("4471"))
        plant.tell(topics.ORDER_PROJECTIONS, "S1/9", order("9", status="shipped"))
        plant.tell(topics.PLANS, "P1", plan_state("P1"))
        plant.tell(topics.PROPOSALS, "P1", proposal("P1"))

        snapshot = client.get("/api/v1/snapshot").json()
        ids = {name: [each["id"] for each in found] for name, found in snapshot["documents"].items()}

        assert ids == {
            "card": [high.card_id, low.card_id],
            "line": ["S1/L1"],
            "order": ["S1/4471"],
            "plan": ["P1"],
            "proposal": ["P1"],
            "site": [],
        }
        assert snapshot["as_of"] == {"S1": NOON.isoformat()}
        with client.stream("GET", "/api/v1/stream", params={"after": snapshot["cursor"]}) as stream:
            changes = events(stream.iter_lines())
            first = next(changes)
            changed = plant.card("L1", 2, state="acknowledged")
            plant.tell(topics.PLANS, "P1", None)

            assert first[0] == "heartbeat"
            found: dict[str, Any] = {}
            while not {"card", "plan"} <= set(found):  # in one batch or in two
                name, data = next(changes)
                if data.get("revision") != 1:  # what the snapshot had may come again, as it now stands
                    found[name] = data
            assert found["card"] == {
                "id": changed.card_id,
                "site_id": "S1",
                "revision": 2,
                "document": changed.model_dump(mode="json"),
            }
            assert found["plan"]["id"] == "P1"
            assert found["plan"]["document"] is None
            while (last := next(changes))[0] != "cursor":
                pass
            assert cursor.decode(last[1]["cursor"]).positions != cursor.decode(snapshot["cursor"]).positions


def test_a_client_that_comes_back_gets_what_it_missed_and_nothing_else(running: WebPlant) -> None:
    running.card("B1")
    before = the_cursor(running)
    missed = running.card("B2")
    running.card("B1", 2)
    newest = running.card("B1", 3)

    with (
        running.client() as client,
        client.stream("GET", "/api/v1/stream", params={"after": before}) as stream,
    ):
        changes = events(stream.iter_lines())
        found = [next(changes) for _ in range(3)]

    assert [name for name, _ in found] == ["card", "card", "heartbeat"]
    assert {(data["id"], data["revision"]) for _, data in found[:2]} == {
        (missed.card_id, 1),
        (newest.card_id, 3),
    }


def test_a_cursor_holds_over_a_restart_of_the_server() -> None:
    """It names places in the topics: another process that has read the same topics answers it."""
    with web_plant() as first:
        first.card("L1")
        place = the_cursor(first)
    with web_plant() as second:
        second.card("L1")
        late = second.card("L2")
        with (
            second.client() as client,
            client.stream("GET", "/api/v1/stream", params={"after": place}) as stream,
        ):
            name, data = next(events(stream.iter_lines()))

    assert (name, data["id"]) == ("card", late.card_id)


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param(lambda good: cursor.encode(good, time.time() - cursor.LIFE_S - 1.0), id="too old"),
        pytest.param(
            lambda good: cursor.encode({name: {0: 10**9, 1: 0} for name in good}), id="of a topic that was made anew"
        ),
        pytest.param(
            lambda good: cursor.encode({name: {0: 0, 1: 0, 2: 0} for name in good}), id="of other partitions"
        ),
    ],
)  # fmt: skip
def test_a_client_whose_place_is_lost_is_told_to_begin_anew(running: WebPlant, spoiled: object) -> None:
    running.card("A1")
    good = {name: {0: 0, 1: 0} for name in ("card", "line", "order", "plan", "proposal", "site")}
    assert callable(spoiled)

    with running.client() as client:
        answer = client.get("/api/v1/stream", params={"after": spoiled(good)})

    assert answer.text == 'event: reset\ndata: {"reason":"old_cursor"}\n\n'


@pytest.mark.parametrize(
    "text", ["", "~", "zz~card", "x~card.-1", "1~card.99999999999999", "card.0", "¹~card.0"]
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no cursor"):
        cursor.decode(text)


def test_a_cursor_is_read_as_it_was_written() -> None:
    positions = {"card": {0: 0, 1: 123_456_789_012}, "line": {0: 35, 1: 36}}

    assert cursor.decode(cursor.encode(positions, 1.0)) == (
        1.0,
        {"card": [0, 123_456_789_012], "line": [35, 36]},
    )


def test_a_made_up_cursor_is_the_clients_mistake(running: WebPlant) -> None:
    with running.client() as client:
        assert 422 == client.get("/api/v1/stream", params={"after": "nonsense"}).status_code
        assert 422 == client.get("/api/v1/stream").status_code


def test_a_stream_of_one_site_says_nothing_of_another(running: WebPlant) -> None:
    place = the_cursor(running)
    with (
        running.client() as client,
        client.stream("GET", "/api/v1/stream", params={"after": place, "site": "S2"}) as stream,
    ):
        changes = events(stream.iter_lines())
        assert "heartbeat" == next(changes)[0]
        running.tell(topics.LINES, "S1/X", line("X"))
        running.tell(topics.LINES, "S2/X", line("X", "S2"))

        name, data = next(change for change in changes if change[0] not in ("heartbeat", "cursor"))

    assert ("line", "S2/X") == (name, data["id"])


def test_a_client_that_does_not_keep_up_is_let_go_and_told() -> None:
    with web_plant(web_stream_client_bytes_max=100_000) as plant, plant.client() as client:
        place = the_cursor(plant)
        with client.stream("GET", "/api/v1/stream", params={"after": place}) as stream:
            changes = events(stream.iter_lines())
            next(changes)
            for name in range(200):  # one batch of more than may wait
                plant.card(f"L{name}", summary="x" * 1_000)

            assert ("reset", {"reason": "slow"}) == next(each for each in changes if each[0] == "reset")
        assert 1.0 == plant.sample("stream_clients_dropped_total", reason="slow")


def test_there_are_only_so_many_clients_and_places_come_back() -> None:
    with web_plant(web_stream_clients_max=1) as plant, plant.client() as first, plant.client() as second:
        place = the_cursor(plant)
        with first.stream("GET", "/api/v1/stream", params={"after": place}) as stream:
            changes = events(stream.iter_lines())  # kept: a generator that is let go closes the stream
            next(changes)
            refused = second.get("/api/v1/stream", params={"after": place})

            assert 503 == refused.status_code
            assert "stream_full" == refused.json()["type"]
            assert 1.0 == plant.sample("stream_clients")
        deadline = time.monotonic() + 20.0
        while plant.sample("stream_clients") > 0.0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with second.stream("GET", "/api/v1/stream", params={"after": place}) as stream:
            assert "heartbeat" == next(events(stream.iter_lines()))[0]


def test_half_a_picture_is_not_served() -> None:
    with web_plant() as plant, plant.client() as client:
        plant.is_caught_up = False
        for path in ("/api/v1/snapshot", "/api/v1/cards", "/api/v1/stream?after=x"):
            answer = client.get(path)
            assert (503, "catching_up") == (answer.status_code, answer.json()["type"])
            assert "2" == answer.headers["retry-after"]


def test_of_repeated_revisions_of_a_proposal_the_first_counts(running: WebPlant) -> None:
    running.tell(topics.PROPOSALS, "P7", proposal("P7", 1, moves=1))
    running.tell(topics.PROPOSALS, "P7", proposal("P7", 1, moves=2))
    running.tell(topics.PROPOSALS, "P7", proposal("P7", 2, moves=3))
    running.tell(topics.PLANS, "P7", plan_state("P7", proposal_revision=1))

    with running.client() as client:
        shown = client.get("/api/v1/proposals/P7").json()

    assert (1, 1) == (shown["proposal"]["revision"], shown["proposal"]["moves"])


def document(key: str, offset: int, *, is_ended: bool = False, size: int = 10) -> Document:
    return Document(key, "S1", offset, b"x" * size, None, 0, offset, is_ended=is_ended)


def test_beyond_its_limit_a_shelf_drops_what_has_ended_then_what_is_oldest() -> None:
    shelf = Shelf("card", documents_max=2, bytes_max=1_000)
    shelf.put(document("old", 0))
    shelf.put(document("over", 1, is_ended=True))
    shelf.put(document("new", 2))
    assert ["old", "new"] == list(shelf.documents)

    shelf.put(document("newer", 3))
    assert ["new", "newer"] == list(shelf.documents)

    shelf.put(document("large", 4, size=995))
    assert (["large"], 4, 995) == (list(shelf.documents), shelf.dropped, shelf.size_bytes)


def test_a_removal_is_remembered_until_the_thing_comes_back() -> None:
    shelf = Shelf("card", documents_max=10, bytes_max=1_000)
    shelf.put(document("a", 0))
    shelf.remove("a", 0, 1)
    shelf.positions[0] = 2
    assert [("a", True)] == [(each.key, each.is_gone) for each in shelf.changed_since(0, 0)]

    shelf.put(document("a", 2))
    shelf.positions[0] = 3
    assert [("a", 2, False)] == [(each.key, each.offset, each.is_gone) for each in shelf.changed_since(0, 0)]
    assert [] == shelf.changed_since(0, 3)


def test_a_cursor_is_the_next_offset_so_what_stands_at_it_is_new() -> None:
    shelf = Shelf("card", documents_max=10, bytes_max=1_000)
    for offset, key in enumerate("abc", start=4):
        shelf.put(document(key, offset))
    shelf.positions[0] = 7

    assert ["b", "c"] == [each.key for each in shelf.changed_since(0, 5)]
    with pytest.raises(LookupError):
        shelf.changed_since(0, 8)

"""When a worker must take it that somebody else runs under its name."""

from aiokafka.errors import KafkaError, OffsetOutOfRangeError, for_code

from streams.group_membership import FencedInstanceId, Places, is_name_taken, next_step


def losses(places: Places, *times: float) -> list[bool]:
    """Each time a place given, and lost again."""
    told = []
    for now in times:
        places.take()
        told.append(places.lose(now))
    return told


def test_three_losses_within_a_session_are_a_rival() -> None:
    assert [False, False, True] == losses(Places(), 100.0, 103.0, 106.0)


def test_a_slow_machine_that_loses_its_place_once_a_session_has_none() -> None:
    assert [False, False, False, False] == losses(Places(), 0.0, 20.0, 40.0, 60.0)


def test_who_has_no_place_yet_has_lost_none() -> None:
    places = Places()
    assert [False] * 5 == [places.lose(float(now)) for now in range(5)]


def test_the_broker_s_word_for_a_taken_name_is_known_and_says_what_helps() -> None:
    assert for_code(82) is FencedInstanceId
    told = KafkaError(repr(FencedInstanceId()))  # as aiokafka hands it on
    assert is_name_taken(told)
    assert not is_name_taken(OffsetOutOfRangeError({}))
    assert next_step(told, "twin-0").startswith(
        "twin-0: another worker runs under this name: give each worker"
    )
    assert next_step(KafkaError("out of luck"), None).startswith("start this worker again")

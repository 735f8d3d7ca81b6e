"""PackML by name, and by the number of the table that the mapping names."""

import pytest

from schemas import BadRecord, PackmlState
from streams.adapters.machines.packml import NUMBERINGS, packml_state


@pytest.mark.parametrize("name", ["HELD", "Held", "held", " Held "])
def test_names_are_taken_in_any_case(name: str) -> None:
    assert PackmlState.HELD is packml_state(name, None)


def test_the_same_number_is_another_state_in_the_other_table() -> None:
    assert [PackmlState.EXECUTE, PackmlState.COMPLETE] == [
        packml_state(6, "isa-tr88"),
        packml_state(6, "opc-30060"),
    ]
    assert [PackmlState.HELD, PackmlState.SUSPENDING] == [
        packml_state(11, "isa-tr88"),
        packml_state("11", "opc-30060"),
    ]


def test_a_number_without_a_table_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(BadRecord, match="packml: isa-tr88"):
        packml_state(6, None)


@pytest.mark.parametrize("value", [0, 18, 6.5, True, "Undefined", "", None, [6]])
def test_what_is_in_no_table_is_refused(value: object) -> None:
    with pytest.raises(BadRecord):
        packml_state(value, "isa-tr88")


@pytest.mark.parametrize("numbering", NUMBERINGS)
def test_each_table_has_each_state_once(numbering: str) -> None:
    assert sorted(PackmlState) == sorted(NUMBERINGS[numbering].values())

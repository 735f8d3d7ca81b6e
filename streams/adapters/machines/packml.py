"""PackML states by name, and by number only where the mapping says which of the two numberings the machine uses."""

from typing import Final, Literal

from schemas import BadRecord, PackmlState, ReasonCode

Numbering = Literal["isa-tr88", "opc-30060"]

ISA_TR88: Final[dict[int, PackmlState]] = {
    number: PackmlState(name)
    for number, name in enumerate(
        [
            "CLEARING",
            "STOPPED",
            "STARTING",
            "IDLE",
            "SUSPENDED",
            "EXECUTE",
            "STOPPING",
            "ABORTING",
            "ABORTED",
            "HOLDING",
            "HELD",
            "UNHOLDING",
            "SUSPENDING",
            "UNSUSPENDING",
            "RESETTING",
            "COMPLETING",
            "COMPLETE",
        ],
        start=1,
    )
}
"""StateCurrent of ISA-TR88.00.02 and StateNumber of OPC 30050; 0 is undefined."""

OPC_30060: Final[dict[int, PackmlState]] = {
    number: PackmlState(name)
    for number, name in enumerate(
        [
            "STOPPED",
            "RESETTING",
            "IDLE",
            "STARTING",
            "EXECUTE",
            "COMPLETING",
            "COMPLETE",
            "ABORTING",
            "ABORTED",
            "STOPPING",
            "CLEARING",
            "SUSPENDING",
            "SUSPENDED",
            "UNSUSPENDING",
            "HOLDING",
            "HELD",
            "UNHOLDING",
        ]
    )
}
"""StateEnumeration of OPC 30060 (tobacco machines); the same numbers mean other states than in ISA-TR88."""

NUMBERINGS: Final[dict[str, dict[int, PackmlState]]] = {"isa-tr88": ISA_TR88, "opc-30060": OPC_30060}

_OTHER_NAMES: Final = {
    "COMPLETED": "COMPLETE",
    "EXECUTING": "EXECUTE",
    "UN_HOLDING": "UNHOLDING",
    "UN_SUSPENDING": "UNSUSPENDING",
}


def packml_state(value: object, numbering: Numbering | None) -> PackmlState:
    """The state that a machine names.

    Args:
        value: a name in any case, or a number.
        numbering: whose numbers they are; None: a number is refused, as it would be a guess.

    Raises:
        BadRecord: no such state.
    """
    if isinstance(value, str) and not value.strip().isdigit():
        name = value.strip().upper().replace(" ", "_").replace("-", "_")
        name = _OTHER_NAMES.get(name, name)
        if name in PackmlState.__members__:
            return PackmlState(name)
        raise BadRecord(
            ReasonCode.SCHEMA, f"{value[:50]!r} is no PackML state; `states` may say what it means"
        )
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadRecord(ReasonCode.SCHEMA, f"a state is a name or a number, not {type(value).__name__}")
    if numbering is None:
        raise BadRecord(
            ReasonCode.SCHEMA,
            f"state number {value}: two numberings are in use, `packml: isa-tr88` or `opc-30060` says which",
        )
    state = NUMBERINGS[numbering].get(int(float(value))) if float(value).is_integer() else None
    if state is None:
        raise BadRecord(ReasonCode.RANGE, f"{value} is no state number of {numbering}")
    return state

"""UMH Classic's `_analytics` messages to the bodies of our events. Pure, but for which work order a line is on.

docs/adapters/machines.md has the table of messages and bands.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from pydantic import ValidationError

from schemas import MODEL_OF_KIND, BadRecord, PackmlState, ReasonCode
from schemas.refusals import refusal
from streams.adapters.machines.tag_map import TagMap
from streams.adapters.machines.umh import UmhAddress, moment_of

Body = dict[str, Any]

BANDS: Final[tuple[tuple[int, PackmlState, str], ...]] = (
    (10_000, PackmlState.EXECUTE, "full speed"),
    (20_000, PackmlState.EXECUTE, "below full speed"),
    (30_000, PackmlState.STOPPED, "unknown stop"),
    (60_000, PackmlState.SUSPENDED, "material"),
    (100_000, PackmlState.HELD, "process"),
    (140_000, PackmlState.HELD, "operator"),
    (160_000, PackmlState.IDLE, "planned"),
    (180_000, PackmlState.HELD, "technical"),
)
"""First code of a band -> PackML state and word. Material comes from outside the line (SUSPENDED); what people, process
and technique do to it is its own (HELD); planned idle time is no stop."""

BANDS_END: Final = 230_000

ORDERS_KEPT: Final = 1_000
"""Work orders of a line that are remembered, to tell which one a late correction is of."""


def band_of(code: object) -> tuple[PackmlState, str]:
    """State and reason of a Classic state code.

    Raises:
        BadRecord: it is none.
    """
    if isinstance(code, bool) or not isinstance(code, int):
        raise BadRecord(ReasonCode.SCHEMA, "a state is a whole number", "state")
    if not BANDS[0][0] <= code < BANDS_END:
        raise BadRecord(
            ReasonCode.RANGE, f"state {code}: the bands go from {BANDS[0][0]} to {BANDS_END - 1}", "state"
        )
    _, state, word = [band for band in BANDS if band[0] <= code][-1]
    return state, f"{word} ({code})"


class ClassicMapper:
    """Maps `_analytics` messages.

    Attributes:
        ignored: why -> how many messages mean nothing to the twin.
    """

    def __init__(self, tags: TagMap) -> None:
        self.ignored: dict[str, int] = {}
        self._map = tags
        self._orders: dict[str, list[tuple[datetime, str]]] = {}
        self._handlers: dict[str, Callable[[str, Body], Iterator[Body]]] = {
            "work-order.create": self._planned,
            "work-order.start": self._started,
            "work-order.stop": self._stopped,
            "product.add": self._added,
            "product.setbadquantity": self._bad,
            "state.add": self._state,
            "state.overwrite": self._overwritten,
            "shift.add": self._unused(
                "shifts come without an end of the calendar: publish calendar_upserted"
            ),
            "shift.delete": self._unused(
                "shifts come without an end of the calendar: publish calendar_upserted"
            ),
            "product-type.create": self._unused("an item comes with its work orders"),
        }

    def map(self, address: UmhAddress, body: Body, told_at: datetime) -> Iterator[Body]:
        """The events that a message makes.

        Args:
            address: as parse_key gives it.
            body: as read_body gives it.
            told_at: when it was sent; of messages on plans, which have no time of their own.

        Raises:
            BadRecord: it is no message of Classic, or a field is not what it must be.
        """
        handler = self._handlers.get(address.name.lower().replace("_", "-"))
        if handler is None:
            raise BadRecord(ReasonCode.VERSION, f"unknown message {address.name[:100]!r}", "key")
        line = address.location[-1] if len(address.location) < 4 else address.location[3]
        for event in handler(self._map.lines.get(line, line), body):
            if event["kind"] == "run_planned":
                event["event_time"] = told_at.isoformat()
            yield event

    def _planned(self, line_id: str, body: Body) -> Iterator[Body]:
        run_id = _text(body, "external_work_order_id")
        product = body.get("product")
        if not isinstance(product, dict):
            raise BadRecord(ReasonCode.SCHEMA, "a work order names its product", "product")
        planned: Body = {
            "run_id": run_id,
            "item_id": _text(product, "external_product_id", "product.external_product_id"),
            "quantity_pcs": _number(body, "quantity"),
            "planned_start_at": moment_of(body, "start_time_unix_ms").isoformat(),
            "planned_end_at": moment_of(body, "end_time_unix_ms").isoformat(),
            "work_order_id": run_id,
        }
        cycle = product.get("cycle_time_ms")
        if cycle is not None and self._map.cycle_time is not None:
            cycle_s = _number(product, "cycle_time_ms") / (1000.0 if self._map.cycle_time == "ms" else 1.0)
            if cycle_s <= 0:
                raise BadRecord(ReasonCode.RANGE, "a cycle takes time", "product.cycle_time_ms")
            planned["rate_pcs_per_h"] = round(3600.0 / cycle_s, 6)
        elif cycle is not None:
            self._ignore("cycle_time_ms: the map does not say whether it is ms or s (cycle_time)")
        # The plan's own content names it: a change of the plan is another event, the same plan again is not.
        at = planned["planned_start_at"]
        yield self._event("run_planned", line_id, at, planned, *map(str, planned.values()))

    def _started(self, line_id: str, body: Body) -> Iterator[Body]:
        run_id, at = _text(body, "external_work_order_id"), moment_of(body, "start_time_unix_ms")
        orders = self._orders.setdefault(line_id, [])
        if (at, run_id) not in orders:
            orders.append((at, run_id))
            orders.sort()
            del orders[:-ORDERS_KEPT]
        yield self._event("run_started", line_id, at.isoformat(), {"run_id": run_id}, run_id)

    def _stopped(self, line_id: str, body: Body) -> Iterator[Body]:
        run_id, at = _text(body, "external_work_order_id"), moment_of(body, "end_time_unix_ms")
        yield self._event("run_completed", line_id, at.isoformat(), {"run_id": run_id}, run_id)

    def _added(self, line_id: str, body: Body) -> Iterator[Body]:
        at = moment_of(body, "end_time_unix_ms")
        total, bad = _number(body, "quantity"), _number(body, "bad_quantity", default=0.0)
        if bad > total:
            raise BadRecord(ReasonCode.RANGE, f"{bad:g} bad of {total:g}", "bad_quantity")
        batch = str(body.get("product_batch_id") or "")
        fields = {"counter": "delta", "good_count": total - bad, "scrap_count": bad}
        start = str(body.get("start_time_unix_ms") or "")
        yield self._event("count_reported", line_id, at.isoformat(), fields, batch, start, str(total))

    def _bad(self, line_id: str, body: Body) -> Iterator[Body]:
        at, bad = moment_of(body, "end_time_unix_ms"), _number(body, "bad_quantity")
        run_id = next((run for since, run in reversed(self._orders.get(line_id, [])) if since <= at), None)
        if run_id is None:
            raise BadRecord(
                ReasonCode.SCHEMA, f"no work order of {line_id} is known to have begun by then", "key"
            )
        fields = {"run_id": run_id, "good_delta": -bad, "scrap_delta": bad}
        yield self._event("count_corrected", line_id, at.isoformat(), fields, str(bad))

    def _state(self, line_id: str, body: Body) -> Iterator[Body]:
        at = moment_of(body, "start_time_unix_ms")
        state, reason = band_of(body.get("state"))
        yield self._event(
            "state_changed", line_id, at.isoformat(), {"state": str(state), "reason": reason}, reason
        )

    def _overwritten(self, line_id: str, body: Body) -> Iterator[Body]:
        self._ignore("an overwritten state of the past: the twin counts time once, as it passes")
        band_of(body.get("state"))
        yield from ()

    def _unused(self, why: str) -> Callable[[str, Body], Iterator[Body]]:
        def ignore(_line_id: str, _body: Body) -> Iterator[Body]:
            self._ignore(why)
            return iter(())

        return ignore

    def _event(self, kind: str, line_id: str, at: str, fields: Body, *told: str) -> Body:
        digest = blake2b("\x1f".join((line_id, at, *told)).encode(), digest_size=12).hexdigest()
        body: Body = {
            "kind": kind,
            "event_id": f"{self._map.mapping}/{kind}/{digest}",
            "event_time": at,
            "site_id": self._map.site_id,
            "line_id": line_id,
            **fields,
        }
        try:
            MODEL_OF_KIND[kind].model_validate(body)
        except ValidationError as error:
            raise refusal(error.errors(include_url=False)) from None
        return body

    def _ignore(self, why: str) -> None:
        self.ignored[why] = self.ignored.get(why, 0) + 1


def _text(body: Body, name: str, path: str | None = None) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadRecord(ReasonCode.SCHEMA, f"{name} is text", path or name)
    return value


def _number(body: Body, name: str, *, default: float | None = None) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRecord(ReasonCode.SCHEMA, f"{name} is a number", name)
    if value < 0:
        raise BadRecord(ReasonCode.RANGE, f"{name} is {value}", name)
    return float(value)

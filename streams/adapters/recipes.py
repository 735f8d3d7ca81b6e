"""What tables there are in the field, and which events their columns make: the patterns that proposals are cut from."""

from dataclasses import dataclass, field
from typing import Final, Literal

Form = Literal["text", "number", "time"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column that a recipe looks for.

    Attributes:
        meaning: in header_words.WORDS.
        form: what its cells are.
        needed: without it the table is not of this recipe.
    """

    meaning: str
    form: Form = "text"
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """An event that a row of the recipe makes, if all the columns that it cannot do without were found.

    Attributes:
        kind: of the event.
        needs: meanings that it cannot do without.
        fields: field -> meaning, or constant where it begins with "=".
        pegged: the row's order gets the row's quantity of the run.
        empty_rows: its rows without a value of this meaning make no such event.
    """

    kind: str
    needs: tuple[str, ...]
    fields: dict[str, str]
    pegged: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """A kind of table.

    Attributes:
        name: that `--as` names it by.
        says: in words.
        wanted: columns.
        made: events of a row.
        row_id: meanings that tell a row from others; empty: number and content do.
        without: meaning -> what it means that nobody names it.
    """

    name: str
    says: str
    wanted: tuple[Wanted, ...]
    made: tuple[Made, ...]
    without: dict[str, str] = field(default_factory=dict)


ORDERS: Final = Recipe(
    "orders",
    "orders: what is promised to whom, and where and when it is made",
    (
        Wanted("order", needed=True),
        Wanted("quantity", "number", needed=True),
        Wanted("due", "time", needed=True),
        Wanted("customer"),
        Wanted("item"),
        Wanted("line"),
        Wanted("start", "time"),
        Wanted("end", "time"),
        Wanted("price", "number"),
        Wanted("cost", "number"),
        Wanted("penalty", "number"),
        Wanted("priority", "number"),
        Wanted("changed", "time"),
    ),
    (
        Made("customer_upserted", ("customer",), {"customer_id": "customer", "name": "customer"}),
        Made(
            "order_upserted",
            ("order", "quantity", "due"),
            {
                "order_id": "order",
                "customer_id": "customer",
                "item_id": "item",
                "quantity_pcs": "quantity",
                "promised_at": "due",
                "unit_price": "price",
                "unit_cost": "cost",
                "penalty_per_day": "penalty",
                "priority": "priority",
            },
        ),
        Made(
            "run_planned",
            ("order", "quantity", "line", "start", "end"),
            {
                "run_id": "order",
                "line_id": "line",
                "item_id": "item",
                "quantity_pcs": "quantity",
                "planned_start_at": "start",
                "planned_end_at": "end",
            },
            pegged=True,
        ),
    ),
    {
        "customer": "all orders are of one customer, called `customer`",
        "item": "all orders are of one item, called `item`",
        "line": "no runs: nobody knows where an order is made, so none can be late",
        "start": "no runs: nobody knows when an order is made, so none can be late",
        "end": "no runs: nobody knows when an order is made, so none can be late",
        "price": "no margin on cards",
        "cost": "no margin on cards",
        "penalty": "lateness costs nothing, and cards rank by time alone",
    },
)

COUNTS: Final = Recipe(
    "counts",
    "counts: pieces made, row by row",
    (
        Wanted("good", "number", needed=True),
        Wanted("order"),
        Wanted("line"),
        Wanted("moment", "time"),
        Wanted("date", "time"),
        Wanted("hour"),
        Wanted("scrap", "number"),
        Wanted("rework", "number"),
    ),
    (
        Made(
            "count_reported",
            ("good",),
            {
                "line_id": "line",
                "run_id": "order",
                "good_count": "good",
                "scrap_count": "scrap",
                "rework_count": "rework",
            },
        ),
    ),
    {
        "line": "all counts are of one line; --line names it",
        "order": "counts are of the run that the line is on: something else must say which that is",
        "scrap": "no quality risks: bad pieces are not known",
    },
)

STATES: Final = Recipe(
    "states",
    "states: what machines were doing, from when on",
    (
        Wanted("line", needed=True),
        Wanted("state", needed=True),
        Wanted("moment", "time"),
        Wanted("date", "time"),
        Wanted("hour"),
        Wanted("reason"),
    ),
    (Made("state_changed", ("line", "state"), {"line_id": "line", "state": "state", "reason": "reason"}),),
)

STOCK: Final = Recipe(
    "stock",
    "stock: how much of an item lies where",
    (
        Wanted("item", needed=True),
        Wanted("location", needed=True),
        Wanted("quantity", "number", needed=True),
        Wanted("lot"),
        Wanted("changed", "time"),
    ),
    (
        Made(
            "stock_reported",
            ("item", "location", "quantity"),
            {"item_id": "item", "location_id": "location", "lot_id": "lot", "quantity": "quantity"},
        ),
    ),
)

RECEIPTS: Final = Recipe(
    "receipts",
    "receipts: what was bought and when it comes",
    (
        Wanted("receipt", needed=True),
        Wanted("item", needed=True),
        Wanted("quantity", "number", needed=True),
        Wanted("due", "time", needed=True),
        Wanted("changed", "time"),
    ),
    (
        Made(
            "receipt_expected",
            ("receipt", "item", "quantity", "due"),
            {"receipt_id": "receipt", "item_id": "item", "quantity": "quantity", "expected_at": "due"},
        ),
    ),
)

MATERIALS: Final = Recipe(
    "materials",
    "materials: what a piece is made of, a row a component",
    (
        Wanted("parent", needed=True),
        Wanted("component", needed=True),
        Wanted("per", "number", needed=True),
    ),
    (Made("bill_of_material_upserted", ("parent", "component", "per"), {"item_id": "parent"}),),
)

RECIPES: Final = (ORDERS, COUNTS, STATES, STOCK, RECEIPTS, MATERIALS)
"""In the order in which they are preferred where a table could be of several."""

STATE_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "EXECUTE": (
        "execute",
        "run",
        "running",
        "producing",
        "production",
        "on",
        "active",
        "laeuft",
        "produktion",
        "marche",
    ),
    "IDLE": ("idle", "ready", "waiting", "bereit", "leerlauf", "attente", "espera"),
    "STOPPED": ("stop", "stopped", "down", "off", "stillstand", "gestoppt", "aus", "arret", "parada"),
    "HELD": (
        "held",
        "hold",
        "jam",
        "fault",
        "failure",
        "breakdown",
        "error",
        "stoerung",
        "defekt",
        "panne",
        "averia",
    ),
    "SUSPENDED": ("suspended", "blocked", "starved", "no material", "kein material", "bloque", "bloqueado"),
    "COMPLETE": ("complete", "completed", "done", "finished", "fertig", "termine", "terminado"),
    "STARTING": ("setup", "set up", "changeover", "ruesten", "umruesten", "reglage", "ajuste"),
}
"""PackML state -> words that floors use for it."""

"""What columns are called in the field, in English, German, French and Spanish: how a proposal finds out their meaning.

The words are as people write them in headers; letters count without case, accents and punctuation.
"""

import difflib
import re
import unicodedata
from enum import IntEnum
from typing import Final


class Sureness(IntEnum):
    """How sure a proposal is."""

    NONE = 0
    GUESS = 1
    LIKELY = 2
    SURE = 3


WORDS: Final[dict[str, tuple[str, ...]]] = {
    "order": (
        *(
            "order",
            "order no",
            "order number",
            "order id",
            "sales order",
            "so",
            "so number",
            "order line",
            "job",
        ),
        *(
            "auftrag",
            "auftragsnummer",
            "auftrag nr",
            "auftragsnr",
            "bestellung",
            "kundenauftrag",
            "fa",
            "fa nr",
        ),
        *("commande", "no commande", "numero de commande", "of", "pedido", "numero de pedido", "orden"),
    ),
    "run": (
        *("run", "run id", "job order", "work order", "wo", "production order", "operation"),
        *("fertigungsauftrag", "arbeitsgang", "los", "ordre de fabrication", "orden de produccion"),
    ),
    "customer": (
        "customer",
        "customer name",
        "client",
        "account",
        "sold to",
        "ship to",
        "kunde",
        "kundenname",
        "cliente",
    ),
    "item": (
        *(
            "item",
            "item no",
            "product",
            "product code",
            "part",
            "part no",
            "part number",
            "sku",
            "material",
            "article",
        ),
        *(
            "artikel",
            "artikelnummer",
            "artikel nr",
            "produkt",
            "teil",
            "teilenummer",
            "produit",
            "articulo",
            "producto",
        ),
    ),
    "quantity": (
        *(
            "quantity",
            "qty",
            "order qty",
            "ordered",
            "pieces",
            "pcs",
            "amount",
            "target",
            "planned qty",
            "stock",
            "on hand",
        ),
        *(
            "menge",
            "stueck",
            "stuck",
            "anzahl",
            "sollmenge",
            "bestellmenge",
            "bestand",
            "quantite",
            "qte",
            "cantidad",
        ),
    ),
    "due": (
        *(
            "due",
            "due date",
            "promised",
            "promise date",
            "delivery date",
            "deliver by",
            "required date",
            "need by",
            "ship date",
        ),
        *(
            "expected",
            "expected date",
            "eta",
            "liefertermin",
            "termin",
            "lieferdatum",
            "wunschtermin",
            "zugesagt",
        ),
        *("date de livraison", "delai", "echeance", "fecha de entrega", "entrega", "vencimiento"),
    ),
    "line": (
        *(
            "line",
            "line no",
            "production line",
            "machine",
            "work center",
            "work centre",
            "workcenter",
            "resource",
            "cell",
        ),
        *("linie", "maschine", "anlage", "arbeitsplatz", "ligne", "poste", "linea", "maquina"),
    ),
    "start": (
        *("start", "planned start", "start date", "start time", "begin", "from", "scheduled start"),
        *("beginn", "start geplant", "plan start", "von", "debut", "debut prevu", "inicio"),
    ),
    "end": (
        *(
            "end",
            "planned end",
            "end date",
            "finish",
            "planned finish",
            "to",
            "until",
            "scheduled end",
            "completion",
        ),
        *("ende", "ende geplant", "plan ende", "bis", "fin", "fin prevue", "final"),
    ),
    "price": (
        "price",
        "unit price",
        "price per piece",
        "preis",
        "stueckpreis",
        "prix",
        "prix unitaire",
        "precio",
    ),
    "cost": ("cost", "unit cost", "cost per piece", "kosten", "stueckkosten", "cout", "coste", "costo"),
    "penalty": (
        *(
            "penalty",
            "penalty per day",
            "late fee",
            "liquidated damages",
            "vertragsstrafe",
            "poenale",
            "strafe",
        ),
        *("penalite", "penalizacion"),
    ),
    "priority": ("priority", "prio", "prioritaet", "prioritat", "priorite", "prioridad"),
    "changed": (
        *(
            "changed",
            "changed at",
            "modified",
            "last change",
            "updated",
            "entered",
            "created",
            "order date",
            "released",
        ),
        *(
            "geaendert",
            "erfasst",
            "angelegt",
            "auftragsdatum",
            "bestelldatum",
            "date de commande",
            "fecha de pedido",
        ),
    ),
    "moment": (
        *(
            "time",
            "timestamp",
            "date time",
            "datetime",
            "at",
            "reported at",
            "event time",
            "end time",
            "recorded",
        ),
        *("zeit", "zeitpunkt", "zeitstempel", "meldezeit", "horodatage", "fecha y hora", "counted at"),
    ),
    "date": ("date", "day", "shift date", "production date", "datum", "tag", "jour", "fecha", "dia"),
    "hour": ("hour", "hr", "hour of day", "time slot", "stunde", "uhrzeit", "uhr", "heure", "hora"),
    "good": (
        *(
            "good",
            "good count",
            "good qty",
            "good pieces",
            "ok",
            "produced",
            "output",
            "made",
            "count",
            "yield",
            "actual",
        ),
        *("gut", "gutmenge", "gutteile", "io", "bons", "produit ok", "buenas", "producido", "pieces good"),
    ),
    "scrap": (
        *(
            "scrap",
            "scrap count",
            "scrapped",
            "bad",
            "rejects",
            "rejected",
            "defects",
            "nok",
            "not ok",
            "waste",
        ),
        *("schlecht", "ausschuss", "nio", "schlechtteile", "rebut", "rebuts", "malas", "rechazo", "desecho"),
    ),
    "rework": ("rework", "reworked", "nacharbeit", "retouche", "retrabajo"),
    "location": (
        "location",
        "warehouse",
        "bin",
        "storage",
        "lagerort",
        "lager",
        "lagerplatz",
        "emplacement",
        "almacen",
    ),
    "lot": ("lot", "batch", "lot no", "batch no", "charge", "charge nr", "lote"),
    "receipt": (
        "receipt",
        "po",
        "po number",
        "purchase order",
        "po line",
        "bestellnummer",
        "lieferung",
        "asn",
    ),
    "component": (
        "component",
        "child",
        "child item",
        "component item",
        "komponente",
        "einsatzmaterial",
        "composant",
    ),
    "parent": (
        "parent",
        "parent item",
        "assembly",
        "finished good",
        "baugruppe",
        "erzeugnis",
        "compose",
        "ensamble",
    ),
    "per": (
        "quantity per",
        "qty per",
        "per piece",
        "usage",
        "menge pro",
        "menge je",
        "quantite par",
        "cantidad por",
    ),
    "state": ("state", "status", "machine state", "zustand", "etat", "estado"),
    "reason": (
        "reason",
        "cause",
        "stop reason",
        "comment",
        "grund",
        "ursache",
        "stoerung",
        "motif",
        "motivo",
    ),
}
"""Meaning -> headers. A word may stand under several meanings; the kind of the cells and the table's other columns tell."""

CLOSE: Final = 0.86
"""Likeness from which a header counts as a misspelling of a word. Lower: "stop" is read as "shop"."""


def plain(header: str) -> str:
    """A header without case, accents, units in brackets and punctuation."""
    text = re.sub(r"[(\[].*?[)\]]", " ", header.casefold()).replace("ß", "ss")
    text = unicodedata.normalize("NFKD", text)
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return " ".join(re.findall(r"[a-z0-9]+", text))


def likeness(header: str, meaning: str) -> tuple[Sureness, str]:
    """How surely a header means something, and why."""
    name = plain(header)
    if not name:
        return Sureness.NONE, ""
    words = WORDS[meaning]
    if name in words:
        return Sureness.SURE, f"{header!r} is a usual name for it"
    parts = set(name.split())
    inside = [word for word in words if len(word) > 2 and set(word.split()) <= parts]
    if inside:
        return Sureness.LIKELY, f"{header!r} holds the word {max(inside, key=len)!r}"
    near = difflib.get_close_matches(name, words, n=1, cutoff=CLOSE)
    return (Sureness.GUESS, f"{header!r} looks like {near[0]!r}") if near else (Sureness.NONE, "")

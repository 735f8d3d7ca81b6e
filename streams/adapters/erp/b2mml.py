"""B2MML 7 (ISA-95 in XML): schedules and performance in, changes of the schedule out, answers to them in.

Read: OperationsSchedule and OperationsPerformance, bare or in the DataArea of a message; RespondOperationsSchedule.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from xml.sax.saxutils import escape

from schemas import BadRecord, ReasonCode
from streams.adapters.erp.documents import Body, Document, ForeignRequest, Plant, Speaker, acknowledgement
from streams.adapters.erp.xml_tree import Element, parse_xml

NAME: Final = "b2mml"
NAMESPACE: Final = "http://www.mesa.org/xml/B2MML"

ENDED_STATES: Final = frozenset({"Completed", "Complete", "Closed"})
GONE_STATES: Final = frozenset({"Aborted", "Cancelled", "Canceled"})
OUTCOMES: Final = {"Accepted": None, "Modified": None, "Rejected": "rejected"}


def read_xml(data: bytes, plant: Plant) -> Iterator[Body | BadRecord]:
    """The events of a document; a request or response that cannot be read is a BadRecord, and its neighbours count.

    Raises:
        BadRecord: it is no XML that is read, or no B2MML.
    """
    root = parse_xml(data)
    schedules, performances = (
        list(_all(root, "OperationsSchedule")),
        list(_all(root, "OperationsPerformance")),
    )
    if not schedules and not performances:
        raise BadRecord(
            ReasonCode.SCHEMA, f"{root.name}: neither OperationsSchedule nor OperationsPerformance", root.path
        )
    for schedule in schedules:
        for request in schedule.all("OperationsRequest"):
            yield from _guarded(lambda one=request, above=schedule: _request(one, above, plant))
    for performance in performances:
        for response in performance.all("OperationsResponse"):
            yield from _guarded(lambda one=response, above=performance: _response(one, above, plant))


def _guarded(made: Any) -> Iterator[Body | BadRecord]:
    try:
        yield from list(made())
    except BadRecord as bad:
        yield bad


def _all(root: Element, name: str) -> Iterator[Element]:
    if root.name == name:
        yield root
    for child in root.children:
        if child.name in ("DataArea", name):
            yield from _all(child, name)


def _speaker(element: Element, above: Element, plant: Plant) -> Speaker:
    said = above.value("PublishedDate") or above.value("ScheduledDate")
    if said is None:
        raise BadRecord(ReasonCode.TIME, f"{above.name} has no PublishedDate", f"{above.path}.PublishedDate")
    at = _moment(said, f"{above.path}.PublishedDate", plant)
    identity = f"{_id(element)}/{said}"
    return Speaker(f"{NAME}/{above.name}", Document({}, plant, element.path), identity, at)


def _request(request: Element, schedule: Element, plant: Plant) -> Iterator[Body]:
    says, name = _speaker(request, schedule, plant), _id(request)
    segments = list(request.all("SegmentRequirement"))
    runs = [f"{name}/{_id(each)}" for each in segments]
    if request.value("RequestState") in GONE_STATES:
        for run_id in runs:
            yield says.event("run_cancelled", about=run_id, run_id=run_id, reason="request cancelled")
        return
    planned = [_segment(each, request, plant) for each in segments]
    if not planned:
        raise BadRecord(
            ReasonCode.SCHEMA, "a request has a SegmentRequirement", f"{request.path}.SegmentRequirement"
        )
    yield says.event(
        "work_order_upserted",
        work_order_id=name,
        item_id=planned[-1]["item_id"],
        quantity_pcs=planned[-1]["quantity_pcs"],
        start_at=planned[0]["planned_start_at"],
        end_at=planned[-1]["planned_end_at"],
    )
    for number, (run_id, fields) in enumerate(zip(runs, planned, strict=True)):
        yield says.event(
            "run_planned",
            about=run_id,
            run_id=run_id,
            work_order_id=name,
            feeds_run_ids=runs[number + 1 : number + 2],
            **fields,
        )
    if request.value("RequestState") in ENDED_STATES:
        yield says.event("work_order_closed", work_order_id=name)


def _segment(segment: Element, request: Element, plant: Plant) -> Body:
    start = segment.value("EarliestStartTime") or request.value("StartTime")
    end = segment.value("LatestEndTime") or request.value("EndTime")
    if start is None or end is None:
        raise BadRecord(ReasonCode.TIME, "neither segment nor request has start and end", segment.path)
    item, quantity = _produced(segment, "MaterialRequirement")
    return {
        "line_id": _line(segment, "EquipmentRequirement", request, plant),
        "item_id": item,
        "quantity_pcs": quantity,
        "planned_start_at": _moment(start, f"{segment.path}.EarliestStartTime", plant),
        "planned_end_at": _moment(end, f"{segment.path}.LatestEndTime", plant),
    }


def _response(response: Element, performance: Element, plant: Plant) -> Iterator[Body]:
    says = _speaker(response, performance, plant)
    request = response.value("OperationsRequestID")
    if request is None:
        raise BadRecord(ReasonCode.SCHEMA, "which request it answers", f"{response.path}.OperationsRequestID")
    for segment in response.all("SegmentResponse"):
        run_id = f"{request}/{_id(segment)}"
        line = _line(segment, "EquipmentActual", response, plant)
        started = segment.value("ActualStartTime")
        if started is None:
            continue
        at = _moment(started, f"{segment.path}.ActualStartTime", plant)
        yield says.event("run_started", about=run_id, at=at, run_id=run_id, line_id=line)
        ended = segment.value("ActualEndTime")
        until = None if ended is None else _moment(ended, f"{segment.path}.ActualEndTime", plant)
        if segment.find("MaterialActual") is not None:
            _, good = _produced(segment, "MaterialActual")
            yield says.event(
                "count_reported",
                about=run_id,
                at=until,
                run_id=run_id,
                line_id=line,
                counter="total",
                good_count=good,
                scrap_count=_scrapped(segment),
            )
        state = segment.value("SegmentState")
        if until is not None and (state is None or state in ENDED_STATES):
            yield says.event("run_completed", about=run_id, at=until, run_id=run_id, line_id=line)
        elif state in GONE_STATES:
            yield says.event("run_aborted", about=run_id, at=until, run_id=run_id, line_id=line)


def _produced(segment: Element, kind: str) -> tuple[str, float]:
    for material in segment.all(kind):
        if material.value("MaterialUse") in ("Produced", "Material Produced"):
            item = material.value("MaterialDefinitionID")
            if item is None:
                raise BadRecord(ReasonCode.SCHEMA, "which material", f"{material.path}.MaterialDefinitionID")
            return item, _quantity(material)
    raise BadRecord(ReasonCode.SCHEMA, f"no {kind} whose MaterialUse is Produced", f"{segment.path}.{kind}")


def _scrapped(segment: Element) -> float:
    return sum(
        _quantity(each)
        for each in segment.all("MaterialActual")
        if each.value("MaterialUse") in ("Scrap", "Scrapped", "By-product Produced")
    )


def _quantity(material: Element) -> float:
    text = material.value("Quantity", "QuantityString")
    path = f"{material.path}.Quantity.QuantityString"
    return Document({"QuantityString": text}, Plant(""), path.removesuffix(".QuantityString")).number(
        "QuantityString"
    )


def _line(segment: Element, kind: str, above: Element, plant: Plant) -> str:
    found = segment.find(kind)
    name = None if found is None else found.value("EquipmentID") or found.value("EquipmentID", "ID")
    name = name or above.value("HierarchyScope", "EquipmentID") or plant.default_line
    if name is None:
        raise BadRecord(
            ReasonCode.SCHEMA, "no equipment, and no default line is set", f"{segment.path}.{kind}"
        )
    return plant.line(name)


def _id(element: Element) -> str:
    value = element.value("ID")
    if value is None:
        raise BadRecord(ReasonCode.SCHEMA, f"{element.name} has no ID", f"{element.path}.ID")
    return value


def _moment(text: str, path: str, plant: Plant) -> datetime:
    above, _, name = path.rpartition(".")
    return Document({name: text.replace("Z", "+00:00")}, plant, above).moment(name)


def request(change: Mapping[str, Any], plant: Plant) -> ForeignRequest:
    """A plan change as a ChangeOperationsSchedule message."""
    name, _, segment = str(change["run_id"]).partition("/")
    state = "<RequestState>Cancelled</RequestState>" if change["action"] == "cancel_run" else ""
    line = escape(plant.foreign_line(change["line_id"]))
    start, end = escape(change["start_at"]), escape(change["end_at"])
    content = f"""<SegmentRequirement>
        <ID>{escape(segment or "1")}</ID>
        <EarliestStartTime>{start}</EarliestStartTime>
        <LatestEndTime>{end}</LatestEndTime>
        <EquipmentRequirement><EquipmentID>{line}</EquipmentID></EquipmentRequirement>
        <MaterialRequirement>
          <MaterialDefinitionID>{escape(change.get("item_id") or "")}</MaterialDefinitionID>
          <MaterialUse>Produced</MaterialUse>
          <Quantity><QuantityString>{change["quantity_pcs"]:g}</QuantityString></Quantity>
        </MaterialRequirement>
      </SegmentRequirement>"""
    if change["action"] == "order_overtime":
        name, content = (
            f"overtime {change['window_id']}",
            f"<SegmentRequirement><ID>1</ID><EquipmentRequirement><EquipmentID>{line}</EquipmentID></EquipmentRequirement></SegmentRequirement>",
        )
    body = f"""<?xml version="1.0" encoding="UTF-8"?>
<ChangeOperationsSchedule xmlns="{NAMESPACE}">
  <ApplicationArea><BODID>{escape(change["change_id"])}</BODID></ApplicationArea>
  <DataArea>
    <Change><ActionCriteria><ActionExpression actionCode="Change"/></ActionCriteria></Change>
    <OperationsSchedule><OperationsRequest>
      <ID>{escape(name)}</ID>
      <StartTime>{start}</StartTime>
      <EndTime>{end}</EndTime>
      {state}
      {content}
    </OperationsRequest></OperationsSchedule>
  </DataArea>
</ChangeOperationsSchedule>
"""
    return ForeignRequest(change["change_id"], "ChangeOperationsSchedule", body)


def answer_xml(change: Mapping[str, Any], data: bytes, at: datetime, plant: Plant) -> Body:
    """A RespondOperationsSchedule as an acknowledgement.

    Raises:
        BadRecord: it is none, or its action code says neither Accepted, Modified nor Rejected.
    """
    root = parse_xml(data)
    respond = root.find("DataArea", "Respond")
    expression = None if respond is None else respond.find("ResponseCriteria", "ResponseExpression")
    code = "" if expression is None else expression.attributes.get("actionCode", "")
    if code not in OUTCOMES:
        raise BadRecord(
            ReasonCode.SCHEMA,
            f"action code {code[:50]!r}: {', '.join(OUTCOMES)} are known",
            "DataArea.Respond",
        )
    if code == "Rejected":
        reason = respond.value("ResponseCriteria", "ChangeStatus", "Reason") if respond is not None else None
        return acknowledgement(change, at, rejected=reason or "rejected without a reason")
    segment = root.find("DataArea", "OperationsSchedule", "OperationsRequest", "SegmentRequirement")
    if code == "Accepted" or segment is None:
        return acknowledgement(change, at)
    start, end = segment.value("EarliestStartTime"), segment.value("LatestEndTime")
    line = segment.value("EquipmentRequirement", "EquipmentID")
    return acknowledgement(
        change,
        at,
        start=None if start is None else _moment(start, f"{segment.path}.EarliestStartTime", plant),
        end=None if end is None else _moment(end, f"{segment.path}.LatestEndTime", plant),
        line_id=None if line is None else plant.line(line),
    )

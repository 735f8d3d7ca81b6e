"""At midnight: what lines have noted becomes what forecasts of their site go by."""

from schemas import join_key
from twin.forecast.experience import LineRecord, learned
from twin.state.model import Model


def learn(model: Model, days: float) -> None:
    """Take over, site by site, what lines have noted; what is older fades by so many days."""
    records: dict[str, dict[str, LineRecord]] = {}
    drifting_s: dict[str, float] = {}
    for (site_id, line_id), line in sorted(model.lines.items()):
        record, state = line.record, line.state
        record.produced_s += state.produced_s
        state.produced_s = 0.0
        record.fade(days)
        model.save_record(line)
        model.save_line(line)
        records.setdefault(site_id, {})[line_id] = record
        since_s = line.drift.since_s
        if since_s is not None and state.marked_at is not None:
            lasted_s = line.calendar.work_between(since_s, state.marked_at)
            drifting_s[site_id] = drifting_s.get(site_id, 0.0) + max(0.0, lasted_s)
    for site_id, of_site in records.items():
        model.experience[site_id] = learned(of_site, drifting_s.get(site_id, 0.0))
        model.store.put(join_key(site_id, "experience", site_id), model.experience[site_id])

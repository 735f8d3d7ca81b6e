"""The picture of a soak: memory, latency, queues and load over time, as SVG small enough to be kept."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean

from bench.soak_samples import Sample
from bench.trend import percentile

SIZE_INCHES = (9.0, 10.0)


def draw(
    path: Path, samples: Sequence[Sample], latencies: Sequence[tuple[float, float]], began: float
) -> None:
    """Write the picture; what belongs to a minute is one point."""
    import matplotlib as mpl  # noqa: PLC0415 - the one user of a development dependency that takes a second to import

    mpl.use("svg")
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text
    mpl.rcParams["svg.hashsalt"] = "foresite"  # the same figures give the same bytes
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, panels = plt.subplots(4, 1, sharex=True, figsize=SIZE_INCHES, layout="constrained")
    memory, latency, queues, processor = panels
    minutes = {
        minute: list(group)
        for minute, group in groupby(samples, key=lambda each: int((each.at - began) // 60.0))
    }
    for role in samples[0].rss_mb:
        memory.plot(
            list(minutes),
            [fmean(each.rss_mb[role] for each in group) for group in minutes.values()],
            label=role,
        )
        used = [
            (group[-1].cpu_s[role] - group[0].cpu_s[role]) / max(1e-9, group[-1].at - group[0].at)
            for group in minutes.values()
        ]
        processor.plot(list(minutes), used, label=f"{role}, CPU s/s")
    loads = [fmean(each.load for each in group) for group in minutes.values()]
    processor.plot(list(minutes), loads, label="load average of the machine", color="lightgrey")
    by_minute = {
        minute: [1000.0 * seconds for _, seconds in group]
        for minute, group in groupby(latencies, key=lambda each: int((each[0] - began) // 60.0))
        if minute >= 0
    }
    for share in (0.5, 0.99):
        values = [percentile(each, share) for each in by_minute.values()]
        latency.plot(list(by_minute), values, label=f"p{100 * share:.0f}")
    for name in ("in_flight", "twin_lag", "solver_lag"):
        queues.plot(
            list(minutes),
            [max(getattr(each, name) for each in group) for group in minutes.values()],
            label=name,
        )
    memory.set_ylabel("resident memory, MB")
    latency.set_ylabel("record to commit, ms")
    latency.set_yscale("log")
    queues.set_ylabel("most in a minute")
    queues.set_yscale("symlog")
    processor.set_ylabel("processors")
    processor.set_xlabel("minutes")
    for panel in panels:
        panel.set_ylim(bottom=0 if panel is not latency else None)
        panel.grid(visible=True, alpha=0.3)
        panel.legend(loc="upper left", fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)

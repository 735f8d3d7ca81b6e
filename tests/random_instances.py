"""Small random problems that have everything: calendars, steps, tails, taxes, fixed heads."""

import random

import numpy as np

from solvers.instance import Instance


def random_instance(
    seed: int, *, makespan: bool = False, flat: bool = False
) -> tuple[Instance, list[list[int]]]:
    """A problem with some of all that an instance can have, and sequences to begin with."""
    chance = random.Random(seed)
    m, n, families = chance.randint(1, 4), chance.randint(2, 12), chance.randint(1, 4)
    work = np.array([[chance.choice((-1, 1, 2, 3, 5, 8)) for _ in range(n)] for _ in range(m)])
    for task in range(n):
        line = chance.randrange(m)
        work[line, task] = max(work[line, task], 1)
    home = [chance.choice([i for i in range(m) if work[i, j] > 0]) for j in range(n)]
    sequences = [[j for j in range(n) if home[j] == i] for i in range(m)]
    for sequence in sequences:
        chance.shuffle(sequence)
    fixed = [chance.choice((0, 0, min(1, len(sequence)), min(2, len(sequence)))) for sequence in sequences]
    with_calendar, with_tax, with_steps = (not flat and chance.random() < 0.5 for _ in range(3))
    spans: list[list[tuple[int, int]]] = []
    for _ in range(m):
        own, at = [], chance.randint(0, 5)
        for _ in range(chance.randint(1, 12) if with_calendar and chance.random() < 0.8 else 0):
            own.append((at, at + chance.randint(1, 9)))
            at = own[-1][1] + chance.choice((0, 1, 3, 10))
        spans.append(own)
    steps = [chance.randint(0, 2) if with_steps else 0 for _ in range(n)]

    def numbers(count: int, most: int, used: bool = True) -> list[int]:
        return [chance.randint(0, most) if used else 0 for _ in range(count)]

    def matrix(most: int, used: bool = True) -> list[list[list[int]]]:
        return [[numbers(families, most, used) for _ in range(families + 1)] for _ in range(m)]

    lateness = not flat
    instance = Instance.build(
        work,
        family=numbers(n, families - 1),
        setup=matrix(4),
        setup_cost=matrix(9, chance.random() < 0.5),
        initial_family=numbers(m, families),
        task_setup=[chance.choice((-1, -1, -1, 0, 6)) for _ in range(n)],
        available=numbers(m, 10),
        release=[chance.choice((0, 0, chance.randint(0, 40))) for _ in range(n)],
        span_ptr=np.cumsum([0] + [len(own) for own in spans]),
        span_start=[start for own in spans for start, _ in own],
        span_end=[end for own in spans for _, end in own],
        due=[chance.randint(-5, 60) for _ in range(n)],
        weight=numbers(n, 5, lateness),
        step_ptr=np.cumsum([0, *steps]),
        step_at=numbers(sum(steps), 60),
        step_cost=numbers(sum(steps), 90),
        tail=[numbers(n, 9, lateness and chance.random() < 0.5) for _ in range(m)],
        line_cost=[numbers(n, 20, chance.random() < 0.5) for _ in range(m)],
        home_start=numbers(n, 50),
        shift_tax=numbers(n, 3, with_tax),
        makespan_weight=chance.randint(1, 9) if makespan or flat else 0,
        setup_weight=chance.choice((0, 2)),
        fixed_ptr=np.cumsum([0, *fixed]),
        fixed_task=[
            task for sequence, head in zip(sequences, fixed, strict=True) for task in sequence[:head]
        ],
    )
    return instance, sequences

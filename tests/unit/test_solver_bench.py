"""The readers of published formats on files made here, and the rows of the benchmark."""

import gzip
import json
from pathlib import Path

import pytest

from bench.instances import Case, UnreadableInstance, cases
from bench.results import Machine
from bench.solver import Options, measure, options_of
from bench.solver_peers import cp_sat_cost, shop_cost
from schemas import UsageError
from solvers.construct import atcs, evaluate
from solvers.instance import Instance
from solvers.job_shop import JobShop, dispatched, solve_job_shop
from solvers.local_search import improve

MACHINE = Machine(python="3.11.7", cpus=2, platform="Linux x86_64", kafka=None, load=0.1)
BENCHDATA = Path(__file__).resolve().parents[3] / "shared" / "benchdata"

WTSDS = """Problem Instance: 1
Problem Size: 2
Begin Problem Specification
Process Times:
5
3
Weights:
2
1
Duedates:
4
9
Setup Times:
-1 0 1
-1 1 2
0 1 4
1 0 6
End Problem Specification
"""


def only(folder: Path, family: str) -> Case:
    (found,) = cases(folder, family)
    return found


def test_wtsds_has_setups_before_the_first_task_and_its_optimum_beside_it(tmp_path: Path) -> None:
    """0 then 1: 0 ends at 6, 2 late x 2; 1 at 13, 4 late."""
    (tmp_path / "wt_sds_1.instance").write_text(WTSDS)
    (tmp_path / "optima.csv").write_text("instance,optimum\nwt_sds_1,8\n")

    found = only(tmp_path, "wtsds")

    assert isinstance(found.problem, Instance)
    assert ("wt_sds_1", 8, 8) == (found.name, found.best, evaluate(found.problem, [[0, 1]]).cost)


def test_upmsp_has_no_setup_before_the_first_task_of_a_machine(tmp_path: Path) -> None:
    text = "2 2 1\n2\n0 5 1 9\n0 4 1 3\nSSD\nM0\n0 7\n1 0\nM1\n0 2\n2 0\n"
    (tmp_path / "I_2_2.txt.gz").write_bytes(gzip.compress(text.encode()))

    problem = only(tmp_path, "upmsp_sdst").problem

    assert isinstance(problem, Instance)
    assert [16, 5] == [evaluate(problem, sequences).cost for sequences in ([[0, 1], []], [[0], [1]])]


def test_pms_real_takes_deadlines_as_very_dear_dues(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text("# n m\n 2 2\n# job ptime rdate deadline\n 1 5 3 7\n 2 5 0 9\n 2 1\n")

    problem = only(tmp_path, "pms_real").problem

    assert isinstance(problem, Instance)
    assert ([0], [0, 1]) == (problem.eligible_lines(1), problem.eligible_lines(0))
    assert 8 + 10_000 * 1 == evaluate(problem, [[1], [0]]).cost


def test_factory_files_carry_their_reference(tmp_path: Path) -> None:
    told = {
        "n": 1,
        "m": 2,
        "p": [[None], [4]],
        "s": [[[0], [0]], [[0], [3]]],
        "r": [0],
        "d": [5],
        "w": [2],
        "ref": 4,
    }
    (tmp_path / "f.json.gz").write_bytes(gzip.compress(json.dumps(told).encode()))

    found = only(tmp_path, "factory")

    assert isinstance(found.problem, Instance)
    assert (4, 4) == (found.best, evaluate(found.problem, [[], [0]]).cost)


def test_a_flexible_job_shop_is_solved_to_its_optimum(tmp_path: Path) -> None:
    """Two jobs of two steps on two machines: 3 + 3 each; they can swap machines, so 6 is enough."""
    (tmp_path / "toy.txt").write_text("2 2 1\n2 1 0 3 1 1 3\n2 1 1 3 1 0 3\n")
    shop = only(tmp_path, "fjsp").problem
    assert isinstance(shop, JobShop)

    plan = solve_job_shop(shop, seconds=10.0, seed=1, deterministic_limit=1.0)

    assert (6, 6, [[0, 1], [1, 0]]) == (plan.makespan, plan.bound, plan.chosen)
    assert dispatched(shop).makespan >= plan.makespan


def test_a_file_of_another_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")

    with pytest.raises(UnreadableInstance, match=r"bad\.json is no factory instance"):
        list(cases(tmp_path, "factory"))


def test_cp_sat_and_pyjobshop_solve_the_same_problem_as_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "wt_sds_1.instance").write_text(WTSDS)
    problem = only(tmp_path, "wtsds").problem
    assert isinstance(problem, Instance)

    ours = improve(problem, atcs(problem), seed=1, moves=1_000).cost

    assert (8, 8, 8) == (ours, cp_sat_cost(problem, atcs(problem), 10.0, 1).cost, shop_cost(problem, 10.0, 1))


def test_a_row_for_each_solver_and_a_reason_where_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "wtsds").mkdir()
    (tmp_path / "wtsds" / "wt_sds_1.instance").write_text(WTSDS)
    options = Options(tmp_path, ("wtsds", "wt"), 0.1, 2, ("atcs",))

    rows = list(measure(MACHINE, quick=False, seed=5, options=options))

    assert [("foresite", 8.0), ("atcs", 8.0), ("", None)] == [(row.solver, row.cost) for row in rows]
    assert ["no best value for it in optima.csv"] * 2 + [f"no wt instances in {tmp_path}"] == [
        row.note for row in rows
    ]
    assert {"gap_percent"} == {json.loads(row.to_json())["metric"] for row in rows}


def test_unknown_families_and_peers_are_refused() -> None:
    with pytest.raises(UsageError, match="tsp is none of"):
        options_of("x", ["tsp"], 1.0, 1, None)
    with pytest.raises(UsageError, match="gurobi is none of"):
        options_of("x", [], 1.0, 1, "gurobi")


@pytest.mark.parametrize(("family", "within"), [("wtsds", 5.0), ("upmsp_sdst", 15.0), ("factory", 12.0)])
def test_published_instances_are_solved_closely_with_few_moves(family: str, within: float) -> None:
    """A coarse floor under the search, far from its figures, with budgets in moves so that load does not matter."""
    if not (BENCHDATA / family).is_dir():
        pytest.skip(f"no benchmark data in {BENCHDATA}")
    chosen = [
        case
        for case in cases(BENCHDATA, family)
        if (case.best and case.best > 10_000) or family == "upmsp_sdst"
    ][:3]
    gaps = []
    for case in chosen:
        assert isinstance(case.problem, Instance)
        assert case.best
        cost = improve(case.problem, atcs(case.problem), seed=1, moves=2_000_000).cost
        gaps.append(100 * (cost - case.best) / case.best)

    assert sorted(gaps)[len(gaps) // 2] <= within, gaps

"""The sweep on Dask: the same table from any number of workers, whatever becomes of one of them.

Its name puts it before the tests that use AppTest, which takes `__main__` for itself: no LocalCluster could start then.
"""

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.experiments import sweep
from core.experiments.sweep import grid, main, run
from core.experiments.sweep_table import Row, SweepError, read, write
from tests.cluster import Cluster

pytest.importorskip("distributed", reason="Dask is not installed: python deploy/set_up.py server")

from core.experiments import sweep_on_dask as dask_sweep
from core.jobs.dask import workers

TINY = {"data": ["uci-digits"], "preset": ["course"], "hidden": ["64"], "epochs": ["30"]}
ASKED = grid(TINY | {"normal": ["0", "5"], "latent": ["2", "16"], "seed": ["1-2"]})


def without_time(path: Path) -> list[Row]:
    return [replace(row, fit_seconds=0.0) for row in read(path)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """The table from this process alone."""
    path = tmp_path_factory.mktemp("alone") / "sweep.csv"
    run(ASKED, path, workers=0)
    return without_time(path)


@pytest.mark.slow
def test_one_worker_gives_the_same_table(expected: list[Row], tmp_path: Path) -> None:
    assert run(ASKED, tmp_path / "sweep.csv", workers=1) == []
    assert without_time(tmp_path / "sweep.csv") == expected


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed_give_the_same_table(
    expected: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []

    def write_and_kill(rows: list[Row], path: Path) -> None:
        write(rows, path)
        if not killed:
            worker = multiprocessing.active_children()[0]
            worker.kill()
            killed.append(len(rows))

    monkeypatch.setattr(sweep, "write", write_and_kill)
    assert run(ASKED, tmp_path / "sweep.csv", workers=2) == []
    assert killed == [1], "in the middle"
    assert without_time(tmp_path / "sweep.csv") == expected


# ---------------------------------------------------------------- a cluster of one's own


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path)
    yield started
    started.end()


@pytest.mark.slow
def test_a_scheduler_gets_the_images_once_and_its_end_is_told_in_a_sentence(
    cluster: Cluster, expected: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    monkeypatch.setattr(workers.Images, "__getstate__", lambda images: sent.append(images) or vars(images), raising=False)
    path = tmp_path / "sweep.csv"
    assert run(ASKED, path, workers=0, scheduler=cluster.address) == []
    assert without_time(path) == expected
    assert len(sent) == 1, "whatever the number of tasks"

    def write_and_end(rows: list[Row], path: Path) -> None:
        write(rows, path)
        cluster.scheduler.kill()

    monkeypatch.setattr(sweep, "write", write_and_end)
    path = tmp_path / "another.csv"
    with pytest.raises(SweepError, match="The scheduler is gone"):
        run(ASKED, path, workers=0, scheduler=cluster.address)
    assert 1 <= len(read(path)) < len(ASKED)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://"])
def test_a_scheduler_that_is_not_there_is_told_in_a_sentence(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_sweep, "IDLE_TIMEOUT", 1)
    with pytest.raises(SystemExit, match="There is no scheduler at"):
        main(["--data", "uci-digits", "--epochs", "1", "--scheduler", address, "--table", str(tmp_path / "sweep.csv")])

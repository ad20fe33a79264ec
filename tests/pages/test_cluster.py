"""The app without Dask, and with a cluster that is not to be had."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.datasets import FALLBACK
from core.errors import SettingError
from pages.shared import entry
from pages.shared.state import job_pool
from tests.pages.conftest import ROOT, checked, go_to, inside, open_page
from tests.pages.test_train import press, rerun_until, status

TRAINS = "tests/pages/test_train.py::test_a_training_that_ends_between_two_pages_is_a_run_on_the_next[draw]"
PROGRAM = f"""
import sys
import pytest

DASK = ("dask", "distributed")
if sys.argv[1] == "not installed":
    sys.modules.update(dict.fromkeys(DASK))
assert pytest.main(["-q", "{TRAINS}"]) == 0
assert not [name for name in DASK if sys.modules.get(name)]
"""


@pytest.mark.slow
@pytest.mark.parametrize("dask", ["installed", "not installed"])
def test_without_an_address_nothing_of_dask_is_imported_or_needed(dask: str) -> None:
    """A training from Start to a run in a fresh interpreter."""
    environment = {name: value for name, value in os.environ.items() if name != "DASK_SCHEDULER_ADDRESS"}
    done = subprocess.run([sys.executable, "-c", PROGRAM, dask], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def on_cluster(without_data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The app is told of a cluster that does not answer."""
    address = "tcp://127.0.0.1:9"
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
    for made in (job_pool.pool, job_pool._cluster):
        made.forget()
    yield address
    for made in (job_pool.pool, job_pool._cluster):
        made.forget()


def train_page() -> AppTest:
    app = open_page("train")
    app.selectbox(key="data-set").set_value(FALLBACK)
    return checked(app.run())


def test_a_cluster_without_dask_here_is_told_and_the_rest_works(on_cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "core.jobs.dask.backend", raising=False)
    monkeypatch.setitem(sys.modules, "dask", None)  # type: ignore[arg-type]
    app = train_page()
    assert "Runs on: cluster" in [caption.value for caption in app.caption]
    press(app, "start")
    assert [error.value for error in app.error] == [
        f"Trainings run on the cluster at `{on_cluster}`, but dask is not installed here. "
        "Install it with: python deploy/set_up.py server. Or start without DASK_SCHEDULER_ADDRESS."
    ]
    assert status(app) == "Ready. Press **Start** and watch."
    go_to(app, "draw")


def test_a_cluster_without_dask_here_is_told_when_the_server_starts(on_cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "core.jobs.dask.backend", raising=False)
    monkeypatch.setitem(sys.modules, "dask", None)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=f"cluster at {on_cluster}, but dask is not installed here"):
        entry.load()


@pytest.mark.parametrize("text", ["abc", "tcp://abc", "http://127.0.0.1:8786", "8786"])
def test_a_scheduler_without_an_address_is_told_when_the_server_starts(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed")
    for address in ("tcp://127.0.0.1:8786", "class.example.org:8786", ""):
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
        job_pool.require_usable_scheduler()
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", text)
    with pytest.raises(SettingError, match=f"DASK_SCHEDULER_ADDRESS .* such as tcp://127.0.0.1:8786, not “{text}”"):
        entry.load()


def test_a_cluster_that_does_not_answer_is_told_on_every_page(on_cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    training = pytest.importorskip("core.jobs.dask.backend", reason="Dask is not installed")
    monkeypatch.setattr(training, "CONNECTING", 0.5)
    app = train_page()
    press(app, "start")
    rerun_until(app, lambda app: bool(app.warning))
    told = f"The cluster at `{on_cluster}` does not answer."
    assert [warning.value for warning in app.warning] == [f"{told} Press Resume to try again."]
    assert app.button(key="start").label == "Resume"
    assert not app.button(key="start").disabled
    go_to(app, "draw")
    (line,) = inside(app, "job-line").get("progress")
    assert line.proto.text == f"Paused: {told}"
    go_to(app, "train")
    press(app, "button-restart_alt")
    assert not app.warning

"""Training on a real scheduler and two worker processes, and what a visitor sees when one of them dies."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ENDLESS, HAS_MNIST, Server, draw, eventually, open_page, served, until
from tests.browser.test_train import STATUS, batches, points_of
from tests.cluster import Cluster
from tests.strokes import WAYS, on_canvas

DOZEN_EPOCHS = "preset=course&epochs=12" + ("" if HAS_MNIST else "&batch=1&data=uci-digits")
"""Long enough for a process to be killed amid the training, whose end a test waits for."""

pytest.importorskip("distributed", reason="Dask is not installed: python deploy/set_up.py server")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(cluster: Cluster, data_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app, joined to the cluster; what becomes of that is no traceback in its log."""
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with served(data_directory, log, {"DASK_SCHEDULER_ADDRESS": cluster.address}) as running:
        yield running


@pytest.fixture
def other(chromium: Browser) -> Iterator[Page]:
    """Another visitor's tab."""
    visitor = chromium.new_context(viewport={"width": 1366, "height": 768})
    yield visitor.new_page()
    visitor.close()


def start(page: Page, server: Server, settings: str) -> None:
    open_page(page, server, f"train?{settings}")
    expect(page.get_by_text("Runs on: cluster")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    expect(page.locator(STATUS)).to_contain_text(re.compile(r"Training: epoch [1-9]"))


def reach(page: Page, epoch: int) -> None:
    eventually(page, lambda: batches(page)[0] >= epoch)


def test_two_visitors_train_with_live_curves_and_pause_and_stop(page: Page, other: Page, server: Server) -> None:
    start(page, server, ENDLESS)
    until(page, "document.querySelector('.js-plotly-plot')?.data?.[0]?.y?.length > 5")
    first = points_of(page)
    until(page, f"document.querySelector('.js-plotly-plot')?.data?.[0]?.y?.length > {first + 20}")
    expect(page.get_by_text("Other classes")).to_be_visible()

    start(other, server, ENDLESS)
    seen = [batches(each) for each in (page, other)]
    eventually(page, lambda: all(batches(each) > before for each, before in zip((page, other), seen, strict=True)))

    page.get_by_role("button", name="Pause").click()
    expect(page.locator(STATUS)).to_contain_text("Paused")
    expect(page.get_by_role("button", name="Resume")).to_be_enabled()
    paused, before = batches(page), batches(other)
    reach(other, before[0] + 2)
    assert batches(page) == paused
    page.get_by_role("button", name="Resume").click()
    eventually(page, lambda: "Training" in page.locator(STATUS).inner_text() and batches(page) > paused)

    for each in (page, other):
        each.get_by_role("button", name="Stop").click()
        expect(each.locator(STATUS)).to_contain_text("Stopped early")
        expect(each.get_by_text("AUROC", exact=True).first).to_be_visible()
        expect(each.locator(".st-key-detector-line")).to_contain_text("run 1")


def test_a_worker_that_dies_stops_no_training(page: Page, other: Page, server: Server, cluster: Cluster) -> None:
    for each in (page, other):
        start(each, server, DOZEN_EPOCHS)
    for each in (page, other):
        reach(each, 2)
    # Each of the two has one of the two workers.
    cluster.workers[0].kill()
    for each in (page, other):
        expect(each.locator(STATUS)).to_contain_text("Done", timeout=150_000)
    cluster.start_workers(1)


def test_a_scheduler_that_dies_is_told_and_drawing_goes_on(page: Page, server: Server, cluster: Cluster) -> None:
    start(page, server, DOZEN_EPOCHS)
    reach(page, 2)
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    told = page.locator(STATUS).get_by_test_id("stAlert")
    expect(told).to_contain_text(f"The cluster at {cluster.address} does not answer.")
    kept = re.search(r"up to epoch (\d+), batch (\d+), is kept", told.inner_text())
    assert kept

    page.get_by_role("link", name="Draw").click()
    expect(page.locator(".st-key-job-line")).to_contain_text(f"Paused: The cluster at {cluster.address}")
    draw(page, on_canvas(WAYS[7][0]))
    expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^(Normal|Anomaly)"))

    cluster.start_scheduler()
    cluster.start_workers(2)
    page.get_by_role("link", name="Train").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(STATUS)).to_contain_text("Training: epoch")
    assert batches(page) >= (int(kept[1]), int(kept[2]))
    expect(page.locator(STATUS)).to_contain_text("Done", timeout=150_000)
    expect(page.get_by_text("AUROC", exact=True).first).to_be_visible()

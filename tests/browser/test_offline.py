"""No network and no data: every page still has something to show."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HAS_MNIST, Server, eventually, open_page


@pytest.fixture(scope="module")
def data_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Server:
    """One whose folder is empty, as every module's is where MNIST is not at hand."""
    found: Server = request.getfixturevalue("own_server" if HAS_MNIST else "server")
    return found


def test_home_shows_two_judged_digits(page: Page, server: Server) -> None:
    open_page(page, server)
    expect(page.locator(".badge")).to_have_count(2)
    expect(page.locator("img.pic")).to_have_count(6)


@pytest.mark.parametrize("path", ["train", "browse", "evaluate"])
def test_pages_fall_back_to_the_uci_digits_and_say_so(page: Page, server: Server, path: str) -> None:
    open_page(page, server, path)
    notice = page.locator(".st-key-data-notice")
    expect(notice).to_contain_text("MNIST could not be downloaded")
    expect(notice).to_contain_text("train-images-idx3-ubyte.gz")
    expect(notice).to_contain_text("UCI handwritten digits")
    eventually(page, lambda: page.locator("img.pic").count() >= 5)


def test_training_works_on_the_uci_digits(page: Page, server: Server) -> None:
    open_page(page, server, "train")
    expect(page.get_by_role("button", name="Try the download again")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".st-key-job-status")).to_contain_text("Done")
    expect(page.locator(".st-key-detector-line")).to_contain_text("UCI digits")

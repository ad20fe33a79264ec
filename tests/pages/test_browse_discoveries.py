"""How many alarms are false, against scipy's rule and numpy's counts."""

import numpy as np
import pytest
import torch
from scipy.stats import false_discovery_control
from streamlit.testing.v1 import AppTest

from core.data.datasets import DataSet
from core.detector import AutoencoderDetector
from pages.sections import browse_discoveries
from pages.sections.browse_discoveries import mixed, shares_there
from tests.pages.conftest import checked, open_page


@pytest.fixture
def app(without_data: object) -> AppTest:
    return open_page("browse")


def cells(app: AppTest) -> list[list[str]]:
    return app.table[0].value.astype(str).to_numpy().tolist()


def expected(detector: AutoencoderDetector, data: DataSet, share: float) -> list[tuple[int, int]]:
    """Alarms, and false ones among them, of the threshold and of Benjamini and Hochberg's rule."""
    chosen = mixed(data.test.labels == 5, share)
    result = detector.infer(data.test.images[chosen])
    is_normal = (data.test.labels[chosen] == 5).numpy()
    by_rule = false_discovery_control(result.p_values.numpy(), method="bh") <= 0.05 * (1 + 1e-9)
    return [(int(found.sum()), int((found & is_normal).sum())) for found in (result.verdicts.numpy() == 1, by_rule)]


@pytest.mark.parametrize(("choice", "share"), [(0.01, 0.01), (0.1, 0.1), (1.0, 1.0)])
def test_the_counts_are_right(app: AppTest, best: AutoencoderDetector, uci: DataSet, choice: float, share: float) -> None:
    control = next(group for group in app.button_group if group.label == "Anomalies among the images")
    checked(control.set_value(choice).run())
    for row, (alarms, false_alarms) in zip(cells(app), expected(best, uci, share), strict=True):
        assert row[1] == str(alarms)
        assert row[2] == (f"{false_alarms} of {alarms} ({false_alarms / alarms:.0%})" if alarms else "0")


def test_each_choice_is_named_by_the_share_that_is_there(app: AppTest, uci: DataSet) -> None:
    control = next(group for group in app.button_group if group.label == "Anomalies among the images")
    normals, named = int((uci.test.labels == 5).sum()), control.options
    for choice, name in zip((0.01, 0.1), named, strict=False):
        checked(control.set_value(choice).run())
        anomalies = int(cells(app)[0][3].split(" of ")[1].split()[0])
        assert name == f"{anomalies / (normals + anomalies):.0%}"
    assert named[2:] == ["as in the test set"]


def test_of_few_images_no_mixture_is_offered_twice() -> None:
    assert shares_there(torch.arange(32) < 2) == {0.1: 1 / 3, 1.0: 30 / 32}
    assert shares_there(torch.ones(9, dtype=torch.bool)) == {1.0: 0.0}


def test_where_one_mixture_is_left_it_is_pressed(without_data: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse_discoveries, "shares_there", lambda _: {browse_discoveries.SHARES[-1]: 0.5})
    control = next(group for group in open_page("browse").button_group if group.label == "Anomalies among the images")
    assert control.value is not None


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_mixture_has_all_normals_and_the_wanted_share(share: float) -> None:
    is_normal = torch.arange(2000) % 2 == 0
    chosen = mixed(is_normal, share)
    assert len(np.unique(chosen)) == len(chosen)
    assert int(is_normal[chosen].sum()) == 1000
    assert float((~is_normal[chosen]).float().mean()) == pytest.approx(share, abs=0.001)
    assert torch.equal(mixed(is_normal, 1.0), torch.arange(2000))

"""Realised false discoveries, where chance alone decides."""

import math

import pytest
import torch

from core.experiments.discoveries import drawn_beside, main, realised


def test_the_bound_holds_where_the_promise_does() -> None:
    random = torch.Generator().manual_seed(3)
    scores = torch.cat([torch.randn(800, generator=random), torch.randn(400, generator=random) + 5])
    found = realised(scores, torch.arange(1200) < 800, share=0.1, anomalies=0.2, splits=200)
    assert len(found.false_shares) == 200
    assert 0.02 < found.mean < 0.1 * 0.8 + 3 * found.error
    assert float(found.caught.mean()) > 0.9


def test_where_there_are_too_few_anomalies_the_bound_is_of_what_was_tested() -> None:
    found = realised(torch.randn(1000), torch.arange(1000) < 900, share=0.1, anomalies=0.9, splits=3)
    assert found.normal == 450 / 550
    assert drawn_beside(450, 0.1) == 50
    assert drawn_beside(450, 0.0001) == 1
    assert realised(torch.randn(1000), torch.arange(1000) < 900, share=0.1, anomalies=0.1, splits=1).error == math.inf


@pytest.mark.parametrize("anomalies", ["0", "1", "-1", "x", "nan"])
def test_a_share_is_between_nothing_and_all(anomalies: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--anomalies", anomalies])
    assert "is a number between 0 and 1" in capsys.readouterr().err


def test_nothing_is_found_where_there_is_nothing_to_find() -> None:
    scores = torch.randn(1200, generator=torch.Generator().manual_seed(3))
    found = realised(scores, torch.arange(1200) < 800, share=0.1, anomalies=0.2, splits=50)
    assert float(found.caught.mean()) < 0.05

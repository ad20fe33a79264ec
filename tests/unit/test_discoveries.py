"""Realised false discoveries, where chance alone decides."""

import torch

from core.experiments.discoveries import realised


def test_the_bound_holds_where_the_promise_does() -> None:
    random = torch.Generator().manual_seed(3)
    scores = torch.cat([torch.randn(800, generator=random), torch.randn(400, generator=random) + 5])
    found = realised(scores, torch.arange(1200) < 800, share=0.1, anomalies=0.2, splits=200)
    assert len(found.false_shares) == 200
    assert 0.02 < found.mean < 0.1 * 0.8 + 3 * found.error
    assert float(found.caught.mean()) > 0.9


def test_nothing_is_found_where_there_is_nothing_to_find() -> None:
    scores = torch.randn(1200, generator=torch.Generator().manual_seed(3))
    found = realised(scores, torch.arange(1200) < 800, share=0.1, anomalies=0.2, splits=50)
    assert float(found.caught.mean()) < 0.05

"""The choice of a device, on a machine whose devices the test makes up."""

import pytest
import torch

from core.device import DeviceError, available_devices, choose_device


@pytest.fixture(autouse=True)
def no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEVICE", raising=False)


def pretend(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [
        (False, False, ["cpu"]),
        (True, False, ["cuda", "cpu"]),
        (False, True, ["mps", "cpu"]),
        (True, True, ["cuda", "mps", "cpu"]),
    ],
)
def test_fastest_device_comes_first(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: list[str]) -> None:
    pretend(monkeypatch, cuda, mps)
    assert available_devices() == expected
    assert choose_device() == torch.device(expected[0])


def test_argument_goes_before_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=True, mps=True)
    monkeypatch.setenv("DEVICE", "mps")
    assert (choose_device().type, choose_device("cpu").type) == ("mps", "cpu")


@pytest.mark.parametrize("wanted", ["cuda", "toaster"])
def test_device_that_is_not_there_is_told_with_the_choices(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    pretend(monkeypatch, cuda=False, mps=True)
    with pytest.raises(DeviceError, match=rf"“{wanted}”.*mps, cpu\."):
        choose_device(wanted)
    monkeypatch.setenv("DEVICE", wanted)
    with pytest.raises(DeviceError):
        choose_device()

"""The choice of a device, on a machine whose devices the test makes up."""

import threading

import pytest
import torch

from core.device import DeviceError, available_devices, choose_device, one_thread_at_a_time


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
        (True, False, ["cpu", "cuda"]),
        (False, True, ["cpu", "mps"]),
        (True, True, ["cpu", "cuda", "mps"]),
    ],
)
def test_the_cpu_unless_a_gpu_is_asked_for(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: list[str]) -> None:
    pretend(monkeypatch, cuda, mps)
    assert available_devices() == expected
    assert choose_device() == torch.device("cpu")


def test_mps_is_for_one_thread_at_a_time() -> None:
    mps, cpu = torch.device("mps"), torch.device("cpu")
    entered = threading.Event()

    def enter() -> None:
        with one_thread_at_a_time(mps):
            entered.set()

    thread = threading.Thread(target=enter)
    with one_thread_at_a_time(mps), one_thread_at_a_time(cpu), one_thread_at_a_time(cpu):
        thread.start()
        assert not entered.wait(0.2)
    thread.join()
    assert entered.is_set()


def test_argument_goes_before_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=True, mps=True)
    monkeypatch.setenv("DEVICE", "mps")
    assert (choose_device().type, choose_device("cpu").type) == ("mps", "cpu")


@pytest.mark.parametrize("wanted", ["cuda", "toaster"])
def test_device_that_is_not_there_is_told_with_the_choices(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    pretend(monkeypatch, cuda=False, mps=True)
    with pytest.raises(DeviceError, match=rf"“{wanted}”.*cpu, mps\."):
        choose_device(wanted)
    monkeypatch.setenv("DEVICE", wanted)
    with pytest.raises(DeviceError):
        choose_device()

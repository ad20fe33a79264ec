"""Where the arithmetic happens: CUDA, Apple's MPS, else the CPU."""

import os

import torch

from core.sentences import Sentence


class DeviceError(Sentence, ValueError):
    """A device was asked for that this machine does not have."""


def available_devices() -> list[str]:
    """Devices of this machine, the fastest first."""
    devices = ["cpu"]
    if torch.backends.mps.is_available():
        devices.insert(0, "mps")
    if torch.cuda.is_available():
        devices.insert(0, "cuda")
    return devices


def choose_device(wanted: str | None = None) -> torch.device:
    """The device asked for, by argument or by DEVICE in the environment, else the fastest.

    Raises DeviceError when it is not there.
    """
    available = available_devices()
    wanted = wanted or os.environ.get("DEVICE") or available[0]
    if wanted not in available:
        raise DeviceError(
            "This machine has no device “{wanted}”. Choose one of: {available}.", wanted=wanted, available=", ".join(available)
        )
    return torch.device(wanted)

"""Where the arithmetic happens: the CPU, or a GPU (CUDA, Apple's MPS) where one is asked for."""

import os
import threading
from contextlib import AbstractContextManager, nullcontext

import torch

from core.errors import UserError


class DeviceError(UserError, ValueError):
    """A device was asked for that this machine does not have."""


_MPS_LOCK = threading.RLock()


def available_devices() -> list[str]:
    """Devices of this machine, the CPU first."""
    gpus = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return ["cpu", *(name for name, is_available in gpus.items() if is_available)]


def choose_device(wanted: str | None = None) -> torch.device:
    """The device asked for, by argument or by DEVICE in the environment, else the CPU.

    These networks are small: a GPU wins little, and trainings of a class run side by side. Raises DeviceError when the
    device is not there.
    """
    available = available_devices()
    wanted = wanted or os.environ.get("DEVICE") or "cpu"
    if wanted not in available:
        raise DeviceError(
            "This machine has no device “{wanted}”. Choose one of: {available}.", wanted=wanted, available=", ".join(available)
        )
    return torch.device(wanted)


def one_thread_at_a_time(device: torch.device) -> AbstractContextManager[object]:
    """What to hold while computing on a device: MPS used by several threads kills the process (pytorch #197805)."""
    return _MPS_LOCK if device.type == "mps" else nullcontext()

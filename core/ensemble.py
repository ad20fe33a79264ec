"""Several detectors of one kind before the same images, in one batched pass."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from core.detector import AutoencoderDetector, Result
from core.memory import decode_each_once, reconstruct_from_memory, squared_norms
from core.preprocessing import enclosed_side, pose_angles, poses, preprocess
from core.scoring import anomaly_score, error_map, loop_factor


class Ensemble:
    """Detectors that differ in their weights only, one a class; infer gives one Result for each.

    Raises ValueError where they differ in network, preprocessing, score, neighbours or turns.
    """

    def __init__(self, detectors: Sequence[AutoencoderDetector]) -> None:
        kinds = {
            (each.config.model, each.config.preprocessing, each.config.score, each.config.neighbours, each.config.turns)
            for each in detectors
        }
        if len(kinds) != 1:
            raise ValueError("The detectors of an ensemble share network, preprocessing, score, neighbours and turns.")
        self.detectors = list(detectors)
        self._config = detectors[0].config
        self.preprocessing = self._config.preprocessing
        self._encoders = _stacked([each.model.encoder for each in detectors])
        self._usual_loops = torch.stack([each.usual_loops_ for each in detectors], dim=1)[..., None]  # (2, E, 1)
        longest = max(len(each.memory_) for each in detectors)
        # Memories differ in length; an absent image is infinitely far away.
        self._memory = torch.zeros(len(detectors), longest, self._config.model.latent_dim)  # (E, M, latent_dim)
        self._norms = torch.full((len(detectors), longest), torch.inf)  # (E, M)
        for number, each in enumerate(detectors):
            self._memory[number, : len(each.memory_)] = each.memory_
            self._norms[number, : len(each.memory_)] = squared_norms(each.memory_)

    @torch.inference_mode()
    def infer(self, images: Tensor, preprocessed: Tensor | None = None) -> list[Result]:
        """What each detector's infer says of raw images (N, 1, 28, 28), to within rounding.

        preprocessed: what preprocess makes of them, where it is known.
        """
        upright = preprocess(images, self.preprocessing) if preprocessed is None else preprocessed
        turns, score = self._config.turns, self._config.score
        seen = poses(upright, turns)  # (P * N, 1, 28, 28)
        size, turned, count = len(self.detectors), len(pose_angles(turns)), len(upright)
        latents = _run(self._encoders, seen.expand(size, *seen.shape))  # (E, P * N, latent_dim)
        if neighbours := self._config.neighbours:
            redrawn = reconstruct_from_memory(latents, self._memory, self._norms, neighbours, self._decode_remembered)
        else:
            decoders = [each.model.decoder for each in self.detectors]
            redrawn = torch.stack([decode(own) for decode, own in zip(decoders, latents, strict=True)])  # (E, P * N, 1, 28, 28)
        # From here on as E * N images of one detector, pose by pose.
        shape = seen.shape[1:]
        redrawn = redrawn.view(size, turned, count, *shape).transpose(0, 1).flatten(0, 2)
        seen = seen.view(turned, 1, count, *shape).expand(-1, size, -1, *shape).flatten(0, 2)
        maps = error_map(seen, redrawn, score)
        if score.loop_weight:
            factors = loop_factor(enclosed_side(upright), self._usual_loops, score).flatten()
        else:
            factors = torch.ones(size * count)
        judged = (*anomaly_score(seen, redrawn, maps, factors, turns, score), factors)
        by_detector = (each.view(size, count, *each.shape[1:]) for each in judged)
        return [detector.result(*own) for detector, *own in zip(self.detectors, *by_detector, strict=True)]

    def _decode_remembered(self, nearest: Tensor) -> Tensor:
        """Indices (E, N, K) of remembered images to their reconstructions (E, N, K, 1, 28, 28)."""
        # One after the other: poses of one image have most neighbours in common, and each detector another number of them.
        decoders = (decode_each_once(each.memory_, each.model.decoder) for each in self.detectors)
        return torch.stack([decode(own) for decode, own in zip(decoders, nearest, strict=True)])


def _stacked(modules: list[nn.Module]) -> tuple[nn.Module, dict[str, Any]]:
    """A module of their kind without numbers, as a template, and the parameters of all with a leading dimension."""
    # Modules of one mode only can be stacked; one that was never asked is still in training mode.
    parameters, _buffers = stack_module_state([module.eval() for module in modules])
    return deepcopy(modules[0]).to("meta"), {name: value.detach() for name, value in parameters.items()}


def _run(stacked: tuple[nn.Module, dict[str, Any]], inputs: Tensor) -> Tensor:
    """Each module on its own inputs (E, N, ...)."""
    template, parameters = stacked
    # functional_call puts the parameters into the module for as long as it runs: no other thread may see that.
    module = deepcopy(template)
    outputs: Tensor = vmap(lambda own, values: functional_call(module, own, (values,)))(parameters, inputs)
    return outputs

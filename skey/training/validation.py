"""How a network does on pieces that it never trained on; a system without labels is chosen by its loss."""

import numpy as np
import torch
from torch.utils.data import BatchSampler

from skey.experiments import Experiment
from skey.inference.confidence import fit_temperature
from skey.inference.filters import CROPPED_BINS
from skey.keys import KEYS, Key
from skey.listeners import listener, mean_profile
from skey.metrics import count_relations, count_signatures, ksea, mirex_score
from skey.model import PITCH_CLASSES, profile_of
from skey.supervised import CrossEntropy, Network
from skey.training.checkpoint import Row
from skey.training.data import Pool, draw_crops
from skey.training.step import Batch, batch_loss, calibration_of, pool_in_groups
from skey.weights.store import LoadedModel

CLIPS_AT_ONCE = 64
LEAST_CLIPS = 48  # fewer labelled clips than this say too little about confidence


def validate(network: Network, experiment: Experiment, pool: Pool, row: int = 0) -> Row:
    """The columns of the log about held-out clips; every process computes the same.

    ``validation_`` and a name: the weighted terms of the loss over fixed crops, and their sum. ``ksea`` and
    ``mirex`` (with modes alone) are parts of one over labelled clips at crop 0. ``rows_major`` and
    ``rows_minor`` count by how many semitones, 0 to 11, the largest row of the calibrated signature profile
    lies above their tonic: 0 and 3 where it is theirs. `row`: see `skey.losses.pseudo_label`.
    """
    labelled = pool.labelled()
    references = [key for key in labelled.keys if key is not None]
    network.eval()
    with torch.inference_mode():
        terms = _mean_terms(network, experiment, pool, row)
        signatures, keys = _answers(network, labelled) if references else ([], [])
    network.train()
    found: dict[str, float | int | str] = {f"validation_{name}": value for name, value in terms.items()}
    found["validation_loss"] = sum(terms.values())
    if references:
        found["ksea"] = ksea(count_signatures([key.signature for key in references], signatures))
    if keys:
        found["mirex"] = mirex_score(count_relations(references, keys))
    for mode in ("major", "minor"):
        pairs = zip(references, signatures, strict=True)
        above = [(row - key.tonic) % PITCH_CLASSES for key, row in pairs if key.mode == mode]
        found[f"rows_{mode}"] = " ".join(str(above.count(semitones)) for semitones in range(PITCH_CLASSES))
    return found


def _mean_terms(network: Network, experiment: Experiment, pool: Pool, row: int) -> dict[str, float]:
    generator, device = torch.Generator().manual_seed(0), next(network.parameters()).device
    needs_labels, sums = isinstance(experiment.loss, CrossEntropy), dict[str, float]()
    pool = pool.labelled() if needs_labels else pool
    for clips in BatchSampler(range(len(pool)), CLIPS_AT_ONCE, drop_last=False):
        segments = pool.segments(clips, experiment.architecture.frames_per_step).to(device)
        c, moved = (crops.to(device) for crops in draw_crops(len(clips), generator, experiment.crops))
        labels = pool.labels(clips, device) if needs_labels else None
        batch = Batch(segments[:, 0], segments[:, 1], c, moved, labels)
        for name, value in batch_loss(None, network, experiment.loss, batch, row).items():
            sums[name] = sums.get(name, 0.0) + value.item() * len(clips) / len(pool)
    return sums


def _answers(network: Network, pool: Pool) -> tuple[list[int], list[Key]]:
    """Signatures, and keys where the network knows modes, from the mean over both segments at crop 0."""
    frames, device, parts = network.architecture.frames_per_step, next(network.parameters()).device, []
    for clips in BatchSampler(range(len(pool)), CLIPS_AT_ONCE, drop_last=False):
        segments = pool.segments(clips, frames)[..., :CROPPED_BINS, :].to(device)
        both = profile_of(network.head(pool_in_groups(network, segments.flatten(0, 1)))).cpu()
        parts.append(both.reshape(len(clips), 2, PITCH_CLASSES, -1).mean(1))
    profiles, calibration = torch.cat(parts), calibration_of(network)
    signatures = calibration.signature_profile(profiles)
    keys = calibration.key_profile(profiles).argmax(1).tolist() if calibration.outputs == 24 else []
    return signatures.argmax(1).tolist(), [KEYS[index] for index in keys]


def confidence_of(loaded: LoadedModel, pool: Pool) -> dict[str, float | int]:
    """The ``temperature`` for the header of a calibrated network, by ``temperature_clips`` labelled clips.

    Fewer than ``LEAST_CLIPS`` give none. It changes how sure an answer sounds, never which it is: what was
    trained without labels still answers without any.
    """
    labelled = pool.labelled()
    if len(labelled) < LEAST_CLIPS:
        return {"temperature_clips": len(labelled)}
    asked = listener(loaded)
    profiles = np.stack([mean_profile(asked, labelled.log_vqt(clip)) for clip in range(len(labelled))])
    temperature = fit_temperature(profiles, [key for key in labelled.keys if key is not None])
    return {"temperature": round(temperature, 4), "temperature_clips": len(labelled)}

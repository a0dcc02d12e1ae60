"""What the page *Try your own file* computes with: the shipped network and every constant, as a script."""

import base64
import json
from types import ModuleType
from typing import Any

import numpy as np

from skey import audio, estimator
from skey.errors import WeightsError
from skey.inference import confidence, filters, tonality
from skey.inference import network as inference
from skey.inference.architecture import Architecture
from skey.keys import CIRCLE_OF_FIFTHS, KEYS, Notation, format_key
from skey.weights import DEFAULT, default_weights, find_weights
from skey.weights.file import FRONT_END, read_arrays


def browser_script() -> str:
    """``window.SKEY = {…}`` of the default estimator; ``WeightsError`` where the page lacks its kind."""
    header, arrays = read_arrays(default_weights() or find_weights(DEFAULT))
    settings = header.architecture
    if not isinstance(settings, Architecture) or settings.outputs != 24 or not settings.octave_equivalence:
        raise WeightsError(f"{header.title}: the page computes a ChromaNet of 24 outputs only")
    outputs = np.arange(float(settings.outputs)).reshape(1, -1, settings.modes)
    network = {
        "title": header.title,
        "temperature": header.temperature,
        "order": header.calibration.key_profile(outputs)[0].astype(int).tolist(),
        "crop": FRONT_END["crop"],
        "floor": header.floor,
        "windowSamples": header.window_seconds * audio.SAMPLE_RATE,
        "kernelSizes": settings.kernels,
        "framesPerStep": settings.frames_per_step,
        "minimumFrames": settings.minimum_frames,
        "epsilon": float(inference._EPSILON),
        "weights": {name: _base64(array) for name, array in arrays.items()},
    }
    keys = {
        "keys": [str(key) for key in KEYS],
        "short": [format_key(key, Notation.SHORT) for key in KEYS],
        "camelot": [format_key(key, Notation.CAMELOT) for key in KEYS],
        "circle": [key.index for key in CIRCLE_OF_FIFTHS],
    }
    return f"window.SKEY = {json.dumps(network | keys | _front_end() | _estimator())};\n"


def _base64(array: np.ndarray) -> str:
    """The values as 32-bit floats, little-endian."""
    return base64.b64encode(array.astype("<f4").tobytes()).decode()


def _constants(module: ModuleType, *names: str) -> dict[str, Any]:
    """Constants of a module by their names in JavaScript: ``_ACTIVE_RANGE`` is ``activeRange``."""
    found = {}
    for name in names:
        first, *more = name.strip("_").lower().split("_")
        found[first + "".join(map(str.title, more))] = getattr(module, name)
    return found


def _front_end() -> dict[str, Any]:
    return {
        "sampleRate": audio.SAMPLE_RATE,
        **_constants(filters, "HOP", "BINS", "CROPPED_BINS", "BINS_PER_OCTAVE", "OCTAVES"),
        **_constants(filters, "DYNAMIC_RANGE", "SMALLEST_MAGNITUDE"),
        "kernelTaps": filters.octave_kernels().shape[1],
        "kernelLengths": filters.kernel_lengths().tolist(),
        "topFrequencies": filters.FREQUENCIES[-filters.BINS_PER_OCTAVE :].tolist(),
        "lowpass": _base64(filters.stepped_lowpass()[0, : filters.LOWPASS_TAPS]),
        "normalisation": _base64(filters.normalisation()),
    }


def _estimator() -> dict[str, Any]:
    return {
        **_constants(audio, "MIN_SAMPLES", "SILENCE_PEAK"),
        **_constants(estimator, "QUIET", "OFFSET", "LEAST_VOTE_SECONDS", "LEAST_SHARE", "IN_TUNE_CENTS"),
        "tiny": confidence.TINY,
        "tonality": {
            **_constants(tonality, "FRAME", "STEP", "TONAL_PROMINENCE", "MIN_ACTIVE_SECONDS", "LEAST_CHANGE"),
            **_constants(tonality, "_ACTIVE_RANGE", "_ROUNDING", "_SILENT_RANGE", "_NOISE_PROMINENCE"),
            **_constants(tonality, "_NEIGHBOURS", "_TUNING_RANGE", "_CONCERT_A", "_WEIGHTS"),
            "tuningBins": [tonality._TUNING_BINS.start, tonality._TUNING_BINS.stop],
            "steady": [tonality._STEADY, tonality._STEADY_BINS],
            "lineBins": [tonality._LINE_BINS.start, tonality._LINE_BINS.stop],
            "smallestFloat": float(np.finfo(np.float32).tiny),
        },
    }

"""The losses of STONE and S-KEY, one function an equation; most return one value an item.

A profile is y (batch, 12) or Y (batch, 12, 2); row q stands for pitch class A + q of the crop, and a crop of
c moves the sound down by c semitones.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from skey.inference.templates import DECADES
from skey.shapes import Complex64, Float, Int

PITCH_CLASSES = 12
FIFTH = 7  # semitones
LOWEST_LOG = -100.0  # where the logarithm of a probability of zero is cut (facts of the released code)
Comparison = Literal["cpsd", "cross-entropy", "invariance"]  # how signature profiles of views are compared

Profiles = Float[Tensor, "batch 12"]
Modes = Float[Tensor, "batch 2"]
Keys = Float[Tensor, "batch 12 2"]
PerItem = Float[Tensor, " batch"]
Numbers = Int[Tensor, " batch"]
Row = int | Int[Tensor, ""]
Sign = Literal[-3, 3]
Terms = Mapping[str, Float[Tensor, ""]]


def dft(y: Profiles, omega: int) -> Complex64[Tensor, " batch"]:
    """Eq. 2, STONE: Y[w] = sum_q y[q] exp(-2 pi i w q / 12); w = 7 turns by fifths, 1 by semitones."""
    angle = -2 * math.pi * omega * torch.arange(PITCH_CLASSES, device=y.device) / PITCH_CLASSES
    return torch.complex((y * angle.cos()).sum(1), (y * angle.sin()).sum(1))


def cross_power(a: Profiles, b: Profiles, omega: int) -> Complex64[Tensor, " batch"]:
    """Eq. 3 and 4, STONE: R[w] = Y_A[w] conj(Y_B[w])."""
    return dft(a, omega) * dft(b, omega).conj()


def distance(a: Profiles, b: Profiles, k: Numbers | int, omega: int = 7, half: bool = True) -> PerItem:
    """Eq. 5, STONE: D_k(A, B) = 1/2 |exp(-2 pi i w k / 12) - R[w]|^2, k the crop of B minus that of A.

    0 for one-hot profiles k rows apart, 1/2 for a uniform one, at most 2; ``half=False`` as released.
    """
    angle = -2 * math.pi * omega * _shift(a, k) / PITCH_CLASSES
    product = cross_power(a, b, omega)
    squared = (angle.cos() - product.real) ** 2 + (angle.sin() - product.imag) ** 2
    return squared / 2 if half else squared


def rotated_cross_entropy(a: Profiles, b: Profiles, k: Numbers | int) -> PerItem:
    """12-class cross-entropy of B with A rotated down by k: the ablation without CPSD (Section 4.6)."""
    rows = (torch.arange(PITCH_CLASSES, device=a.device) + _shift(a, k)[:, None]) % PITCH_CLASSES
    return cross_entropy(a.gather(1, rows), b)


def _shift(a: Profiles, k: Numbers | int) -> Numbers:
    """The number of rows for each item, made where the profiles lie: nothing waits for another device."""
    return k if isinstance(k, Tensor) else torch.full((len(a),), k, device=a.device)


def cross_entropy(target: Float[Tensor, "batch n"], y: Float[Tensor, "batch n"]) -> PerItem:
    """- sum target log y, the logarithm cut at -100; Eq. 15 of STONE where n = 2."""
    # Clamping the logarithm itself would give zero times infinity for the gradient at y = 0.
    tiny = torch.finfo(y.dtype).tiny
    logarithm = torch.where(y <= tiny, LOWEST_LOG, y.clamp(min=tiny).log())
    return -(target * logarithm).sum(1)


@dataclass(frozen=True, slots=True)
class Views:
    """The profiles of T_c A, T_c B and T_{c+k} A, and by how much the third is moved.

    In supervised training `b` is the oracle of the label.
    """

    a: Tensor
    b: Tensor
    a_moved: Tensor
    k: Numbers


def signature_profile(y: Profiles | Keys) -> Profiles:
    """Eq. 13, STONE: lambda[q], the sum over modes (the profile itself where there is one mode)."""
    return y if y.ndim == 2 else y.sum(2)


def mode_profile(y: Keys) -> Modes:
    """Eq. 14, STONE: mu[m], the sum over rows."""
    return y.sum(1)


def cpsd_loss(views: Views, omega: int = 7, half: bool = True) -> PerItem:
    """Eq. 9, STONE: L_AB (Eq. 6) + L_AA (Eq. 7) + L_BA (Eq. 8); 3/2 where all profiles are uniform."""
    a, b, moved = (signature_profile(y) for y in (views.a, views.b, views.a_moved))
    invariance = distance(a, b, 0, omega, half)
    equivariance = distance(a, moved, views.k, omega, half)
    return invariance + equivariance + distance(b, moved, views.k, omega, half)


def cross_entropy_loss(views: Views, rotated: bool = True) -> PerItem:
    """Eq. 9 with every distance replaced by a 12-class cross-entropy ("w/o CPSD", Table 2, STONE).

    The paper leaves open whether the crop rotates the target or is forgotten; then nothing asks for
    equivariance.
    """
    a, b, moved = (signature_profile(y) for y in (views.a, views.b, views.a_moved))
    k = views.k if rotated else 0
    pairs = ((a, b, 0), (a, moved, k), (b, moved, k))
    return torch.stack([rotated_cross_entropy(*pair) for pair in pairs]).sum(0)


def mode_loss(views: Views) -> PerItem:
    """Eq. 16, STONE: the three views agree about the mode; B is always the target, as its oracle must be."""
    a, b, moved = (mode_profile(y) for y in (views.a, views.b, views.a_moved))
    return cross_entropy(b, a) + cross_entropy(a, moved) + cross_entropy(b, moved)


def pseudo_label_loss(views: Views, is_major: PerItem) -> PerItem:
    """S-KEY: cross-entropy of the mode of all three views with the track's label (column 0 is major)."""
    target = torch.stack([is_major, 1 - is_major], dim=1)
    modes = (mode_profile(y) for y in (views.a, views.b, views.a_moved))
    return torch.stack([cross_entropy(target, mode) for mode in modes]).sum(0)


def average_mode(views: Views) -> Float[Tensor, ""]:
    """S-KEY's L_avg: (mean of mu_major over the A and B views of the batch - 1/2)^2."""
    major = torch.cat([mode_profile(views.a), mode_profile(views.b)])[:, 0]
    return (major.mean() - 0.5) ** 2


def peaks(log_vqt: Float[Tensor, "*batch bins frames"]) -> Float[Tensor, "*batch bins frames"]:
    """The magnitudes of bins that are louder than the two beside them; the others are 0.

    A note has half its magnitude in the two semitones beside it, of which peaks leave nothing.
    """
    magnitude = 10 ** (DECADES * (log_vqt - 1))
    loudest_neighbour = F.max_pool2d(
        magnitude.reshape(1, -1, *magnitude.shape[-2:]), (3, 1), stride=1, padding=(1, 0)
    ).reshape(magnitude.shape)
    return magnitude * (magnitude == loudest_neighbour)


@torch.no_grad()
def pseudo_label(
    views: Views, chroma: Profiles, sign: Sign = -3, row_of_first_bin: Row = 0, with_fifth: bool = False
) -> PerItem:
    """S-KEY's label of mode, 1 for major and 0 for minor, one a track (Eq. 5 of S-KEY as quoted).

    The root q* is the largest row of the mean of A's and B's signature profiles; its rival lies three
    semitones below, the root of the relative minor (``sign`` -3, the paper), or above (+3, the released
    code). ``chroma`` is the mean over time, octaves and both segments of the cropped log-VQT, from its first
    bin, and ``row_of_first_bin`` the row that stands for that pitch class as a major tonic: 0 in the papers,
    or as calibration finds it. ``with_fifth`` counts root and rival with their fifths, which is ours.
    """
    row = ((signature_profile(views.a) + signature_profile(views.b)) / 2).argmax(1)
    root = (row - row_of_first_bin) % PITCH_CLASSES
    rival = (root + sign) % PITCH_CLASSES
    heard = chroma + chroma.roll(-FIFTH, 1) if with_fifth else chroma
    louder = heard.gather(1, root[:, None]) > heard.gather(1, rival[:, None])
    return louder[:, 0].to(chroma.dtype)


def oracle(signature: Numbers, is_minor: Numbers, c: Numbers) -> Keys:
    """Section 6.1, STONE: the one-hot answer in the place of B: row (signature - A - c) mod 12, by mode.

    ``signature`` is the pitch class (C = 0) of the label's key signature, ``c`` the crop.
    """
    rows = (signature - 9 - c) % PITCH_CLASSES
    result = torch.zeros(len(rows), 2 * PITCH_CLASSES, device=rows.device)
    return result.scatter(1, (2 * rows + is_minor)[:, None], 1.0).reshape(-1, PITCH_CLASSES, 2)


@dataclass(frozen=True, slots=True)
class LossSettings:
    """Which terms a system is trained with, and how they weigh; the defaults are STONE at omega 7.

    `signature` compares key signature profiles by CPSD, by cross-entropy, or by one that forgets the crop
    ("invariance"). `mode` is nothing, the agreement of views (24-STONE, Eq. 16), or S-KEY's pseudo-label, its
    row tied to the reference sound if `calibrated`; `sign`, `with_fifth`: see `pseudo_label`, `chroma` is
    of the log-VQT or of its `peaks`. `half` keeps the 1/2 of Eq. 5. `labels`: supervised epochs compare the
    views with the oracle in the place of B (Section 6.1, STONE), or both views of A with the key (ours). The
    mode counts from `mode_from` of the training on (0 in the papers); until then `opening`, if set, compares
    profiles.
    """

    signature: Comparison = "cpsd"
    opening: Comparison | None = None
    omega: int = 7
    half: bool = True
    mode: Literal["none", "agreement", "pseudo-label"] = "none"
    mode_weight: float = 1.0
    average_weight: float = 0.0
    sign: Sign = -3
    calibrated: bool = False
    with_fifth: bool = False
    chroma: Literal["decibels", "peaks"] = "decibels"
    mode_from: float = 0.0
    labels: Literal["oracle", "keys"] = "oracle"

    def at(self, progress: float) -> "LossSettings":
        """What counts at a moment of the training, 0 its beginning and 1 its end."""
        if progress >= self.mode_from:
            return self
        return replace(self, signature=self.opening or self.signature, mode="none", average_weight=0.0)


def key_loss(views: Views, of_a: Keys, of_moved: Keys) -> PerItem:
    """Cross-entropy of the 24 outputs of both views of A with the oracles of their crops (ours)."""
    pairs = ((of_a, views.a), (of_moved, views.a_moved))
    return torch.stack([cross_entropy(key.flatten(1), y.flatten(1)) for key, y in pairs]).sum(0)


def loss_terms(settings: LossSettings, views: Views, chroma: Profiles | None = None, row: Row = 0) -> Terms:
    """The weighted terms of the loss (Eq. 17, STONE; S-KEY's three), means over the batch, to be summed.

    ``chroma`` and ``row`` (of its first bin): see ``pseudo_label``; ``ValueError`` where it has no chroma.
    """
    signature = (
        cpsd_loss(views, settings.omega, settings.half)
        if settings.signature == "cpsd"
        else cross_entropy_loss(views, rotated=settings.signature == "cross-entropy")
    )
    terms = {"signature": signature.mean()}
    if settings.mode == "agreement":
        terms["mode"] = settings.mode_weight * mode_loss(views).mean()
    if settings.mode == "pseudo-label":
        if chroma is None:
            raise ValueError("the pseudo-label of mode needs the chroma of the segments")
        labels = pseudo_label(views, chroma, settings.sign, row, settings.with_fifth)
        terms["mode"] = settings.mode_weight * pseudo_label_loss(views, labels).mean()
    if settings.average_weight:
        terms["average"] = settings.average_weight * average_mode(views)
    return terms

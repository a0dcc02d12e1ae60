"""What the outputs of a network mean: from its rows and columns to keys, for tensors and arrays alike."""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from skey.errors import SkeyError
from skey.inference.architecture import PITCH_CLASSES
from skey.keys import KEYS, Key
from skey.shapes import Float

Profile = TypeVar("Profile")
"""A tensor or a numpy array."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the outputs of a network mean; :mod:`skey.calibration` finds it.

    `major` is the tonic (pitch class, C = 0) of the major key that row 0 stands for, `minor` the same for
    minor; row q stands for the tonic q semitones higher. `major_column` says which of the two columns is
    major; with 12 outputs there is one column, which stands for a major key and its relative minor alike.

    Profiles are tensors or numpy arrays, and what comes back is of the same kind.
    """

    outputs: Literal[12, 24]
    major: int
    minor: int
    major_column: int = 0

    def output_keys(self) -> tuple[Key, ...]:
        """The key of each output, column after column (for 12 outputs the major key of each signature)."""
        major = tuple(Key((self.major + q) % PITCH_CLASSES, "major") for q in range(PITCH_CLASSES))
        if self.outputs == 12:
            return major
        minor = tuple(Key((self.minor + q) % PITCH_CLASSES, "minor") for q in range(PITCH_CLASSES))
        return major + minor if self.major_column == 0 else minor + major

    def key_profile(self, profile: Float[Profile, "batch 12 2"]) -> Float[Profile, "batch 24"]:
        """Probabilities in the order of ``KEYS`` from the network's matrix Y (h of Eq. 11, by mode).

        Raises ``SkeyError`` where the network tells key signatures only (12 outputs).
        """
        if self.outputs == 12:
            raise SkeyError("This network tells key signatures, not modes: ask for the signature profile.")
        position = {key: divmod(index, PITCH_CLASSES) for index, key in enumerate(self.output_keys())}
        columns, rows = zip(*(position[key] for key in KEYS), strict=True)
        outputs: Any = profile
        keys: Profile = outputs[:, rows, columns]
        return keys

    def signature_profile(
        self, profile: Float[Profile, "batch 12"] | Float[Profile, "batch 12 2"]
    ) -> Float[Profile, "batch 12"]:
        """Probabilities of the key signatures, by the pitch class of their major key, C first (Eq. 11).

        With 24 outputs the two keys of a signature are added up (Eq. 13 after calibration).
        """
        outputs: Any = profile
        if outputs.ndim == 2:
            by_tonic = outputs[:, [(tonic - self.major) % PITCH_CLASSES for tonic in range(PITCH_CLASSES)]]
        else:
            keys = self.key_profile(outputs)
            relatives = [KEYS.index(Key(tonic, "major").relative) for tonic in range(PITCH_CLASSES)]
            by_tonic = keys[:, :PITCH_CLASSES] + keys[:, relatives]
        signatures: Profile = by_tonic
        return signatures

"""Hear a clip of the open corpus, and read how it came to sound so."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import soundfile

from skey.audio import SAMPLE_RATE
from skey.corpus.arrangement import Arrangement
from skey.corpus.degradation import Degradation, draw_degradation
from skey.corpus.events import DRUM_BANK, Level
from skey.corpus.instruments import Program
from skey.corpus.plan import Clip, arrangements, clip_of, degradation_generator, render_clip
from skey.corpus.sources import index_row
from skey.errors import SkeyError


class ListeningError(SkeyError):
    """There is no such clip, or its sound cannot be written; the message says why."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A clip and what its sound was made of: one arrangement for each of its stretches, one degradation."""

    clip: Clip
    parts: tuple[Arrangement, ...]
    degradation: Degradation

    @property
    def instruments(self) -> tuple[str, ...]:
        """General MIDI names of the instruments, from the first track, each once; drum kits are ``drums``."""
        return tuple(dict.fromkeys(instrument_name(p) for part in self.parts for p in part.programs))

    def as_dict(self) -> dict[str, Any]:
        """Everything about the sound by name, ready for JSON; the tempo is in quarters a minute."""
        first = self.parts[0]
        return {
            "clip": self.clip.id,
            "key": str(self.clip.key) if self.clip.key else None,
            "level": self.clip.level,
            "tempo": round(first.tempo, 1),
            "transposition": first.transposition,
            "tuning_cents": round(first.tuning_cents, 1),
            "instruments": list(self.instruments),
            "degradation": asdict(self.degradation),
        }

    def lines(self) -> list[str]:
        """The same for people, one line a matter."""
        first = self.parts[0]
        return [
            f"clip         {self.clip.id}",
            f"key          {self.clip.key or 'not known'}",
            f"tempo        {first.tempo:.0f} quarters a minute",
            f"transposed   {first.transposition:+d} semitones from the score",
            f"tuning       {round(first.tuning_cents):+d} cents",
            f"instruments  {', '.join(self.instruments)}",
            f"degradation  {', '.join(degradation_words(self.degradation))}",
        ]


def find_clip(name: str, level: Level = "full", arrangement: int = 0, seed: int = 0) -> Clip:
    """A clip by its own id (``PIECE#ARRANGEMENT-SEED-LEVEL``), or by that of its piece and the rest apart.

    Raises ``ListeningError`` for an id that is none and ``UnknownPiece`` for a piece that the index has not.
    """
    piece, separator, rest = name.partition("#")
    if not separator:
        return clip_of(index_row(piece), arrangement, level, seed)
    fields = rest.split("-")
    if len(fields) != 3 or not (fields[0] + fields[1]).isdecimal() or fields[2] not in get_args(Level):
        raise ListeningError(
            f"{name!r} is no clip: expected PIECE or PIECE#ARRANGEMENT-SEED-LEVEL, as in {_EXAMPLE}"
        )
    chosen: Level = "hard" if fields[2] == "hard" else "full"
    return clip_of(index_row(piece), int(fields[0]), chosen, int(fields[1]))


_EXAMPLE = "chorales/bwv10.7#0-0-full"


def hear(clip: Clip) -> Heard:
    """What a clip is made of, without rendering it; raises what ``load_piece`` raises."""
    return Heard(clip, arrangements(clip), draw_degradation(clip.level, degradation_generator(clip)))


def write_clip(clip: Clip, path: Path) -> None:
    """Render a clip to a sound file, 30 s mono at 22,050 Hz.

    The ending chooses the format (.wav, .flac, .ogg). Raises ``ListeningError`` where it cannot be written.
    """
    wave = render_clip(clip)
    try:
        soundfile.write(path, wave, SAMPLE_RATE)
    except (OSError, TypeError, ValueError, soundfile.LibsndfileError) as error:
        raise ListeningError(f"cannot write {path}: {error}") from error


def instrument_name(program: Program) -> str:
    """The General MIDI name of a (bank, preset); ``drums`` for any kit."""
    from pretty_midi import program_to_instrument_name

    bank, preset = program
    return "drums" if bank == DRUM_BANK else str(program_to_instrument_name(preset))


def degradation_words(amounts: Degradation) -> list[str]:
    """A few words for each effect that is heard."""
    words = []
    if amounts.reverb_seconds is not None:
        words.append(f"room of {amounts.reverb_seconds:.1f} s at {round(amounts.wet_db):+d} dB")
    if amounts.drive_db is not None:
        words.append(f"saturation {round(amounts.drive_db):+d} dB")
    words.append(f"bass {round(amounts.bass_db):+d} dB, treble {round(amounts.treble_db):+d} dB")
    if amounts.bandwidth_hz is not None:
        words.append(f"nothing above {amounts.bandwidth_hz:.0f} Hz")
    if amounts.snr_db is not None:
        words.append(f"{amounts.colour} noise {amounts.snr_db:.0f} dB below")
    return words

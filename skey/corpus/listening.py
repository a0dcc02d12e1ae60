"""Hear a clip of the open corpus, and read how it came to sound so."""

import re
from pathlib import Path

import soundfile

from skey.audio import SAMPLE_RATE
from skey.corpus.degradation import Level, draw_degradation
from skey.corpus.pieces import index_row
from skey.corpus.plan import Clip, arrangements, clip_of, degradation_generator, render_clip
from skey.corpus.soundfont import DRUM_BANK
from skey.errors import SkeyError


def find_clip(name: str, level: Level = "full", arrangement: int = 0, seed: int = 0) -> Clip:
    """A clip by its id (``PIECE#ARRANGEMENT-SEED-LEVEL``), or of a piece; else ``SkeyError``."""
    piece, separator, rest = name.partition("#")
    if not separator:
        return clip_of(index_row(piece), arrangement, level, seed)
    fields = re.fullmatch(r"([0-9]+)-([0-9]+)-(full|hard)", rest)
    if fields is None:
        raise SkeyError(
            f"{name!r} is no clip: expected PIECE or PIECE#ARRANGEMENT-SEED-LEVEL, "
            "as in chorales/bwv10.7#0-0-full"
        )
    level = "hard" if fields[3] == "hard" else "full"
    return clip_of(index_row(piece), int(fields[1]), level, int(fields[2]))


def describe_sound(clip: Clip) -> list[str]:
    """What the sound of a clip is made of, for people, a line a matter; raises what ``load_piece`` raises."""
    from pretty_midi import program_to_instrument_name

    first, *others = arrangements(clip)
    programs = [program for part in (first, *others) for program in part.programs]
    names = (
        "drums" if bank == DRUM_BANK else program_to_instrument_name(preset) for bank, preset in programs
    )
    amounts = draw_degradation(clip.level, degradation_generator(clip))
    degradation = [
        f"room of {amounts.reverb_seconds:.1f} s at {amounts.wet_db:+.0f} dB",
        f"saturation {amounts.drive_db:+.0f} dB",
        f"bass {amounts.bass_db:+.0f} dB, treble {amounts.treble_db:+.0f} dB",
        f"nothing above {amounts.bandwidth_hz:.0f} Hz",
        f"{amounts.colour} noise {amounts.snr_db:.0f} dB below",
    ]
    return [
        f"clip         {clip.id}",
        f"key          {clip.key or 'not known'}",
        f"tempo        {first.tempo:.0f} quarters a minute",
        f"transposed   {first.transposition:+d} semitones from the score",
        f"tuning       {round(first.tuning_cents):+d} cents",
        f"instruments  {', '.join(dict.fromkeys(names))}",
        f"degradation  {', '.join(degradation)}",
    ]


def write_clip(clip: Clip, path: Path) -> None:
    """Render a clip to a wav, flac or ogg, 30 s mono at 22,050 Hz; raises ``SkeyError``."""
    wave = render_clip(clip)
    try:
        soundfile.write(path, wave, SAMPLE_RATE)
    except (OSError, TypeError, ValueError, soundfile.LibsndfileError) as error:
        raise SkeyError(f"cannot write {path}: {error}") from error

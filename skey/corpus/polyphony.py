"""Long polyphonic pieces without a trustworthy key, for training without labels."""

from pathlib import Path

from skey.corpus.scores import corpus_root

SCHOOLS: dict[str, tuple[str, ...]] = {
    "classical": (
        "beach",
        "beethoven",
        "corelli",
        "cpebach",
        "handel",
        "haydn",
        "mozart",
        "schubert",
        "schumann_clara",
        "schumann_robert",
        "weber",
    ),
    "madrigals": ("monteverdi",),
    "renaissance": ("josquin", "palestrina"),
    "trecento": ("ciconia", "luca", "trecento"),
}
"""Folders of music21, by what their harmony has in common."""

_ENDINGS = {".mxl", ".xml", ".krn", ".abc", ".musicxml"}


def polyphony_ids() -> list[str]:
    """Identifiers ``polyphony/FOLDER/…/FILE`` of the pieces; of two encodings of one piece the first."""
    paths: dict[Path, Path] = {}
    for folder in (folder for folders in SCHOOLS.values() for folder in folders):
        for path in sorted((corpus_root() / folder).rglob("*")):
            if path.suffix in _ENDINGS:
                paths.setdefault(path.with_suffix(""), path)
    return [f"polyphony/{path.relative_to(corpus_root()).as_posix()}" for path in paths.values()]


def polyphony_path(piece_id: str) -> Path:
    """The file of a piece inside music21; raises ``KeyError`` where there is none."""
    path = corpus_root() / piece_id.partition("/")[2]
    if not path.is_file():
        raise KeyError(piece_id)
    return path


def school_of(piece_id: str) -> str:
    """The school in ``SCHOOLS`` that a piece belongs to."""
    folder = piece_id.split("/")[1]
    return next(school for school, folders in SCHOOLS.items() if folder in folders)

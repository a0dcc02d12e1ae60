"""Tables of answers for tests: a row a key, so that every relation can be counted by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from companion.answers import Evaluation, Record, table_of
from companion.scores import Answer, score
from skey.datasets import Track
from skey.keys import KEYS, Key


def answers_to(
    answers: Mapping[str, Sequence[Answer]], references: Sequence[Key] = KEYS, level: str = ""
) -> pd.DataFrame:
    """A table with these references and answers."""
    tags = {"level": level, "source": ""}
    tracks = [Track(str(place), key, str(place), None, tags) for place, key in enumerate(references)]
    return table_of(tracks, answers)


def evaluation(
    name: str, answers: Mapping[str, Sequence[Answer]], references: Sequence[Key] = KEYS
) -> Evaluation:
    """A table as it would be with these answers alone."""
    table = answers_to(answers, references)
    data = {"name": "open-corpus", "title": "The open corpus", "hash": "0", "tracks": len(table)}
    record = Record(table, data, {}, {"commit": "0"}, Path("results"))
    return Evaluation(name, record, table, score(table))

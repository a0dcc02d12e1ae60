"""Confusion matrices along the circle of fifths, relatives side by side (Figure 4, STONE)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Integer, Num

from skey.bootstrap import check_pairs
from skey.keys import CIRCLE_OF_FIFTHS, SIGNATURES_BY_FIFTHS, Key


def confusion_matrix(
    references: Sequence[Key], estimates: Sequence[Key | None]
) -> Integer[np.ndarray, "references=24 estimates=24"]:
    """Count estimates by reference, along the circle of fifths with relatives side by side (Figure 4, STONE).

    Args:
        references: the annotated keys.
        estimates: one key a reference; a track without an estimate has no column and is left out.

    Returns:
        Counts of shape (24, 24), rows the reference, columns the estimate, both along CIRCLE_OF_FIFTHS.

    Raises:
        MetricError: the two differ in length.
    """
    check_pairs(references, estimates)
    pairs = [
        (reference, key) for reference, key in zip(references, estimates, strict=True) if key is not None
    ]
    rows, columns = ([CIRCLE_OF_FIFTHS.index(pair[side]) for pair in pairs] for side in (0, 1))
    return _count_cells(rows, columns, len(CIRCLE_OF_FIFTHS))


def signature_confusion(
    references: Sequence[Key], signatures: Sequence[int]
) -> Integer[np.ndarray, "references=24 signatures=12"]:
    """Count estimated key signatures by reference key (Figure 4, STONE, left).

    Args:
        references: the annotated keys.
        signatures: one estimated key signature a reference, the pitch class of its major key.

    Returns:
        Counts of shape (24, 12), rows along CIRCLE_OF_FIFTHS, columns along SIGNATURES_BY_FIFTHS.

    Raises:
        MetricError: the two differ in length.
    """
    check_pairs(references, signatures)
    rows = [CIRCLE_OF_FIFTHS.index(reference) for reference in references]
    return _count_cells(
        rows, [SIGNATURES_BY_FIFTHS.index(each) for each in signatures], len(SIGNATURES_BY_FIFTHS)
    )


def _count_cells(rows: list[int], columns: list[int], width: int) -> Integer[np.ndarray, "24 width"]:
    """A matrix of 24 rows that counts how often each cell is named."""
    matrix = np.zeros((len(CIRCLE_OF_FIFTHS), width), dtype=np.int64)
    np.add.at(matrix, (np.array(rows, dtype=np.intp), np.array(columns, dtype=np.intp)), 1)
    return matrix


def normalise_rows(matrix: Num[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """Divide each row by its sum, so that it shows where one reference key goes; an empty row stays zero."""
    sums = matrix.sum(axis=1, keepdims=True)
    shares = np.zeros(matrix.shape)
    np.divide(matrix, sums, out=shares, where=sums > 0)
    return shares

"""What is computed, how it is written to ``results/``, and how it is compared with the record."""

from companion.results.carried import not_recomputed
from companion.results.check import check_records, compare_answers, compare_with_record
from companion.results.experiment import Experiment, open_dataset, read_experiment, run_experiment
from companion.results.parameters import ParameterError, Parameters, notebook_parameters, refuse_unknown
from companion.results.predictions import Answer, Predictions, format_answer, read_predictions
from companion.results.scores import compare, points, score_predictions, subsets

__all__ = [
    "Answer",
    "Experiment",
    "ParameterError",
    "Parameters",
    "Predictions",
    "check_records",
    "compare",
    "compare_answers",
    "compare_with_record",
    "format_answer",
    "not_recomputed",
    "notebook_parameters",
    "open_dataset",
    "points",
    "read_experiment",
    "read_predictions",
    "refuse_unknown",
    "run_experiment",
    "score_predictions",
    "subsets",
]

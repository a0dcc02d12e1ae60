"""A finished run: its temperature, and its score on the labelled clips of the open test set."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from skey.datasets import Dataset, labelled_tracks, load_dataset
from skey.datasets.open_corpus import OpenCorpus
from skey.experiments import Experiment, find_experiment
from skey.keys import Key
from skey.listeners import NetworkSystem
from skey.metrics import Interval, bootstrap_interval, ksea_points, mirex_points
from skey.training.checkpoint import RunError
from skey.training.data import Pool, load_data
from skey.training.validation import confidence_of
from skey.weights import read_header
from skey.weights.store import read_weights, save_weights


@dataclass(frozen=True, slots=True)
class RunScore:
    """The score of a run: its ``name``, MIREX or, without modes, KSEA, and its 95 % interval in 0..1."""

    name: str
    metric: str
    interval: Interval

    @property
    def score_words(self) -> str:
        """The score in percent with its interval: ``MIREX 81.5 % [77.5, 85.5]``."""
        value, low, high = self.interval.value, self.interval.low, self.interval.high
        return f"{self.metric} {100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def open_test_set(build: bool = False, progress: bool = False) -> Dataset:
    """The labelled clips on which every run is scored; `build` makes what is missing, with a bar if asked."""
    dataset = load_dataset("open-corpus")
    if build and isinstance(dataset, OpenCorpus):
        dataset.build, dataset.progress = True, progress
    return dataset


def score_run(folder: Path, dataset: Dataset | None = None, validation: Pool | None = None) -> RunScore:
    """Fit the temperature of a finished run where it has none, and score its weights.

    ``dataset`` is the open test set by default, built where it is not; ``validation`` are held-out clips for
    the temperature, by default those of the run's settings. Raises ``RunError`` where there is no finished
    run.
    """
    file = weights_of(folder)
    add_temperature(file, validation)
    dataset, system = dataset or open_test_set(build=True), NetworkSystem(file)
    tracks = labelled_tracks(dataset)
    answers = [system(dataset.log_vqt(track)) for track in tracks]
    references = [track.key for track in tracks if track.key is not None]
    keys = [answer for answer in answers if isinstance(answer, Key)]
    if len(keys) == len(references):
        return RunScore(folder.name, "MIREX", bootstrap_interval(mirex_points(references, keys)))
    signatures = [answer for answer in answers if isinstance(answer, int)]
    points = ksea_points([key.signature for key in references], signatures)
    return RunScore(folder.name, "KSEA", bootstrap_interval(points))


def weights_of(folder: Path) -> Path:
    """The weights of a finished run; raises ``RunError`` where there is not exactly one file of them."""
    found = sorted(folder.glob("*.safetensors"))
    if len(found) != 1 or not (folder / "log.csv").is_file():
        raise RunError(f"{folder} holds no finished run: expected log.csv and one file of weights")
    return found[0]


def add_temperature(file: Path, validation: Pool | None = None) -> None:
    """Fit the temperature of weights whose header knows of none; the weights stay as they are."""
    header = read_header(file)
    if "temperature_clips" in header.training:
        return
    pool = validation or load_data(experiment_of(header.training["experiment"])).validation
    loaded = read_weights(file)
    training = {**header.training, **confidence_of(loaded, pool)}
    save_weights(file, loaded.network, replace(header, training=training))


def experiment_of(settings: Mapping[str, object]) -> Experiment:
    """The experiment behind recorded settings, as far as its data go: clips of each split and shares."""
    named = find_experiment(str(settings["name"]))
    kept = {name: settings[name] for name in ("clips", "unlabelled", "share", "labelled_share")}
    return replace(named, **kept)  # type: ignore[arg-type]

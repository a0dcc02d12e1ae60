"""`skey train`: train the systems of both papers, from nothing or from where a run stopped."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from skey.cli import POSITIVE, Number, left_out

if TYPE_CHECKING:
    from skey.experiments import Experiment
    from skey.training.loop import Machine
    from skey.weights.store import LoadedModel

Options = dict[str, Any]
Origin: TypeAlias = "LoadedModel | None"  # what a training starts from


def _places(context: click.Context, option: click.Parameter, places: tuple[str, ...]) -> tuple[str, ...]:
    """Addresses as they are, and paths that exist."""
    if absent := [place for place in places if "://" not in place and not os.path.exists(place)]:
        raise click.BadParameter(f"there is no {absent[0]}", context, option)
    return places


@click.command()
@click.argument("experiments", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every system, one after the other.")
@click.option(
    "--clips", type=POSITIVE, help="Clips of the training split (labels are not read but by Semi-TONE)."
)
@click.option("--unlabelled", type=click.IntRange(min=0), help="Clips without labels besides; 0 for none.")
@click.option("--epochs", type=POSITIVE)
@click.option("--batch", type=POSITIVE, help="Clips in a batch, over all processes.")
@click.option("--steps", type=POSITIVE, help="Batches in an epoch, at most.")
@click.option("--rate", type=Number(0, 1, min_open=True), help="Highest learning rate.")
@click.option("--frames-per-step", type=POSITIVE, help="Frames averaged before the network; 1 in the papers.")
@click.option("--paper", is_flag=True, help="Start from the papers' scale instead of ours.")
@click.option(
    "--audio",
    multiple=True,
    callback=_places,
    help="A folder of recordings without labels, of any format, each of at least 30 s, with all below it, "
    "or a folder or an address of shards from `skey features extract`; may be repeated.",
)
@click.option("--no-corpus", is_flag=True, help="Train on --audio alone.")
@click.option("--no-songs", is_flag=True, help="Leave out the composed songs of systems that train on them.")
@click.option(
    "--recolour/--no-recolour", default=None, help="Give each segment another spectral envelope, or none."
)
@click.option("--recorded", type=Number(0, 1), help="Share of --audio among the clips; half of them.")
@click.option(
    "--soundfont",
    "soundfonts",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A General MIDI SoundFont that plays as many songs again, other ones, for systems that train on "
    "songs; may be repeated.",
)
@click.option("--from", "start", help="Name or file of weights to start from, instead of random ones.")
@click.option("--seed", type=int, default=0)
@click.option("--device", default="auto", help="cpu, cuda or auto.")
@click.option("--processes", type=POSITIVE, default=1, help="One, or as many as torchrun starts.")
@click.option(
    "--jobs", type=POSITIVE, help="Processes that make features; as many as there are cores by default."
)
@click.option(
    "--half-precision/--full-precision", default=None, help="bfloat16 products; by default where fast."
)
@click.option(
    "--watch-every",
    type=POSITIVE,
    default=1,
    help="Epochs after which held-out pieces are listened to; after the last one they always are.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of runs; by default your own."
)
@click.option("--resume", is_flag=True, help="Go on after the last finished epoch.")
@click.option("--list", "listing", is_flag=True, help="Name the systems and stop.")
def train(experiments: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401 - one of several types each
    """Train EXPERIMENTS, e.g. `skey train skey --seed 2`: by default as what ships under that name.

    That takes a core minutes to hours; `--clips 200 --epochs 3` is a quick try. Each run has a folder
    with its checkpoint, a log (one row an epoch) and, at the end, its weights, which are scored on the open
    test set; in a checkout `python3 run.py ship` records them and copies them there.
    """
    from skey.experiments import EXPERIMENTS, find_experiment
    from skey.files.folders import data_directory
    from skey.training.loop import Machine
    from skey.weights import load_weights

    if options["listing"]:
        for name, experiment in EXPERIMENTS.items():
            click.echo(f"{name:<16} {experiment.title}")
        return
    names = tuple(EXPERIMENTS) if options["every"] else experiments
    if not names:
        raise click.UsageError("name a system, or say --all; --list names them")
    if options["no_corpus"] and not options["audio"]:
        raise click.UsageError("--no-corpus leaves nothing to train on: name a folder with --audio")
    how = ("device", "processes", "half_precision", "watch_every")
    machine = Machine(progress=True, **{name: options[name] for name in how})
    folder = options["out"] or data_directory() / "runs"
    origin = load_weights(options["start"]) if options["start"] else None
    systems = [_scaled(find_experiment(name), options) for name in names]
    runs = {folder / f"{system.name}-s{options['seed']}": system for system in systems}
    _check(runs, machine, options, origin)
    for path, system in runs.items():
        _train(system, path, machine, options, origin)


def _scaled(experiment: "Experiment", options: Options) -> "Experiment":
    """The system at our scale or the papers', with what the options change."""
    from skey.experiments import OUR_SCALE, at_scale, scaled

    names = (*OUR_SCALE, "recolour", "recorded")
    chosen = {name: options[name] for name in names if options[name] is not None}
    if "clips" in chosen:
        chosen.setdefault("unlabelled", chosen["clips"])
    if options["no_corpus"]:
        chosen |= {"clips": 0, "unlabelled": 0}
    if options["no_corpus"] or options["no_songs"]:
        chosen["songs"] = 0
    return (scaled if options["paper"] else at_scale)(experiment, **chosen)


def _check(runs: dict[Path, "Experiment"], machine: "Machine", options: Options, origin: Origin) -> None:
    """Raise ``SkeyError`` for what would else be refused after hours: no device, weights, data or folders."""
    from skey.corpus.soundfont import SoundFontError, soundfont
    from skey.training.checkpoint import RunError, writing_to
    from skey.training.data import refuse_unused
    from skey.training.loop import start_of

    machine.fabric()
    for font in options["soundfonts"]:
        try:
            soundfont(font)
        except (OSError, SoundFontError) as error:
            raise RunError(f"--soundfont {font} cannot be played: {error}") from error
    for path, experiment in runs.items():
        refuse_unused(experiment, options["audio"], options["soundfonts"])
        if not options["resume"] and os.path.isfile(path / "checkpoint.pt"):
            raise RunError(
                f"{path} holds a run: go on with it by --resume, choose another --out, or remove it"
            )
        if origin:
            start_of(experiment, origin)
        with writing_to(path), tempfile.TemporaryFile(dir=path):
            pass


def _train(system: "Experiment", path: Path, machine: "Machine", options: Options, origin: Origin) -> None:
    """One run; says on standard error how it went, and on standard output where the weights are."""
    from skey.training.data import load_data
    from skey.training.loop import Run
    from skey.training.scoring import score_words

    jobs = options["jobs"]
    data = load_data(system, jobs, progress=True, audio=options["audio"], soundfonts=options["soundfonts"])
    for skipped in data.skipped:
        left_out(skipped.path, skipped.reason)
    run = Run(system, options["seed"], data, path, machine, origin)
    if options["resume"]:
        run.resume()
    for row in run.epochs():
        if run.fabric.is_global_zero:
            shown = (f"{name} {value:.4g}" for name, value in row.items() if isinstance(value, int | float))
            click.echo(f"{run.folder.name}: {', '.join(shown)}", err=True)
    if run.fabric.is_global_zero:
        click.echo(f"{run.folder.name}: {score_words(run.folder.weights, jobs)} on the test set", err=True)
        click.echo(run.folder.weights)

"""`skey weights` and `skey export`: what is at hand, import of the authors', export for other runtimes."""

import os
from pathlib import Path

import click

PATH = click.Path(dir_okay=False, path_type=Path)


def _target(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """A path that is named as what is written, so that no song or checkpoint is lost, in a folder."""
    suffix = {"onnx": ".onnx", "output": ".safetensors"}[str(option.name)]
    if path is not None and path.suffix != suffix:
        raise click.BadParameter(f"{path} does not end in {suffix}", context, option)
    if path is not None and not os.path.exists(path.parent):
        raise click.BadParameter(f"{path}: there is no folder {path.parent}; make it first", context, option)
    return path


@click.group()
def weights() -> None:
    """List, show and import network weights."""


@weights.command("list")
def list_weights() -> None:
    """Names of the weights at hand (shipped, imported, trained), and how many examples trained them."""
    from skey.errors import WeightsError
    from skey.weights import available_weights, default_weights, read_header

    found = available_weights()
    if not found:
        click.echo("no weights yet: import the authors' with `skey weights import FILE.pt`", err=True)
    for name, file in found.items():
        try:
            header = read_header(file)
        except WeightsError as error:
            click.echo(f"{name:<19} cannot be used: {error}", err=True)
            continue
        mark = "  [default]" if file == default_weights() else ""
        examples = "–" if header.examples is None else f"{header.examples:,}"
        outputs = f"{header.architecture.outputs} outputs  {examples:>7} examples"
        click.echo(f"{name:<19} {outputs}  {header.title}  ({header.licence}){mark}")


@weights.command("show")
@click.argument("name")
def show_weights(name: str) -> None:
    """Everything that the header of weights NAME (a name or a file) says, as JSON, with the outputs' keys."""
    import json

    from skey.weights import find_weights
    from skey.weights.file import read_arrays

    header, _ = read_arrays(find_weights(name))
    keys = [str(key) for key in header.calibration.output_keys()]
    click.echo(json.dumps(json.loads(header.to_json()) | {"output_keys": keys}, indent=2))


@weights.command("import")
@click.argument("file", type=PATH)
@click.option(
    "-o",
    "--output",
    type=PATH,
    callback=_target,
    help="Weights file to write; by default released-NAME in your own folder.",
)
def import_weights(file: Path, output: Path | None) -> None:
    """Convert the authors' checkpoint FILE (.pt) without executing anything in it, and calibrate it."""
    from skey.weights import user_folder
    from skey.weights.authors import import_checkpoint
    from skey.weights.store import save_weights

    loaded = import_checkpoint(file)
    target = output or user_folder() / f"released-{file.stem}.safetensors"
    header = save_weights(target, loaded.network, loaded.header)
    click.echo(f"{target}: {header.title}, {header.architecture.outputs} outputs, sha256 {header.checksum}")


@click.command()
@click.argument("name")
@click.option("--onnx", type=PATH, callback=_target, required=True, help="ONNX file to write.")
def export(name: str, onnx: Path) -> None:
    """Write weights NAME (a name or a file) with their front end as one ONNX graph.

    It takes mono sound at 22,050 Hz with peak 1, of at least 16,640 samples (0.755 s), and gives the
    probabilities of the keys: for music in tune, those of `skey detect`, and nearly those where it is longer
    than a window, for the graph cuts windows after the transform. What `skey detect` does besides is not in
    it: to name no key for silence, noise, speech and less than 2.95 s, to leave silent stretches out, and to
    follow the tuning.
    """
    from skey.weights import load_weights
    from skey.weights.export import INPUT, OUTPUT, export_onnx

    names = export_onnx(load_weights(name), onnx)
    click.echo(f"{onnx}: {INPUT} (1, samples) -> {OUTPUT} (1, {len(names)}): {', '.join(names)}")

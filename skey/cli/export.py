"""`skey export`: the whole estimator as one file for other runtimes."""

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option(
    "--onnx", type=click.Path(dir_okay=False, path_type=Path), required=True, help="ONNX file to write."
)
def export(name: str, onnx: Path) -> None:
    """Write weights NAME (a name or a file) with their front end as one ONNX graph.

    It takes mono sound at 22,050 Hz with peak 1, of any length, and gives the probabilities of the keys as
    `skey detect` does.
    """
    from skey.weights import load_weights
    from skey.weights.export import INPUT, OUTPUT, export_onnx, output_names

    loaded = load_weights(name)
    export_onnx(loaded, onnx)
    names = output_names(loaded)
    click.echo(f"{onnx}: {INPUT} (1, samples) -> {OUTPUT} (1, {len(names)}): {', '.join(names)}")

"""`skey features`: features and keys of many tracks, on one machine or on many."""

import errno
import os
import sys
from pathlib import Path

import click

from skey.cli import POSITIVE, left_out

ENGINE = "local, or the address of a Dask scheduler (tcp://host:8786)."
SHARED = [  # by both commands
    click.Argument(["manifest"], type=click.Path(exists=True, path_type=Path)),
    click.Option(["--out"], required=True, help="A folder, or an address that fsspec knows (s3://bucket/x)."),
    click.Option(["--engine"], default="local", help=ENGINE),
    click.Option(["--workers"], type=POSITIVE, help="Processes of the local engine [default: the cores]."),
]


@click.group()
def features() -> None:
    """Work on many tracks: MANIFEST is a folder, or a text file with a path or an address a line.

    Lines that begin with # are comments, as in an m3u. Both commands go on where they were stopped. Equal
    files are read once, whatever their names.
    """


@features.command(params=[*SHARED])
@click.option("--segments", type=click.IntRange(min=2), default=16, help="Of a track, at most.")
@click.option("--shard", type=POSITIVE, default=64, help="Tracks in a shard.")
def extract(manifest: Path, out: str, engine: str, workers: int | None, segments: int, shard: int) -> None:
    """Write segments of 15 s as log-VQT into tar shards, which `skey train --audio` and WebDataset read."""
    out = _prepared(out)
    from skey.cli import scale

    names = scale.read_manifest(manifest, left_out)
    with scale.engine(engine, workers) as client:
        done = scale.extract(client, names, out, segments, shard)
    for name, reason in done.skipped:
        left_out(name, reason)
    click.echo(f"{out}: {done.segments} segments of {done.tracks} tracks in {done.shards} shards")


@features.command(params=[*SHARED])
@click.option("--weights", help="A name from `skey weights list`, krumhansl (template), or a file (./NAME).")
@click.option("--part", type=POSITIVE, default=64, help="Tracks in a file of estimates.")
def estimate(
    manifest: Path, out: str, engine: str, workers: int | None, weights: str | None, part: int
) -> None:
    """Write the key of each file to Parquet, as `skey detect` finds it.

    Estimates of other files that are in --out from an earlier run are removed. The exit status is 1 where
    some file has none.
    """
    out = _prepared(out)
    from skey.cli import scale

    names = scale.read_manifest(manifest, left_out)
    with scale.engine(engine, workers) as client:
        failed = scale.estimate(client, names, out, weights, part)
    for row in failed:
        click.echo(f"{row['path']}: {row['error']}", err=True)
    click.echo(f"{out}: estimates of {len(names) - len(failed)} of {len(names)} files")
    if failed:
        sys.exit(1)


def _prepared(out: str) -> str:
    """An address, or a folder as each worker finds it; to fsspec a folder with ``::`` is two addresses.

    A folder is made. Raises ``OSError`` or ``EngineError`` where nothing can be written, before work begins.
    """
    if "://" in out:
        from skey.cli import scale

        address = out.rstrip("/")
        scale.try_to_write(address)
        return address
    if "::" in out:
        raise click.BadParameter("a folder may not have :: in its name", param_hint="--out")
    folder = Path(out).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    return str(folder)

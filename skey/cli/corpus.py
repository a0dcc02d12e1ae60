"""`skey corpus`: build, describe and hear the open corpus."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from skey.cli import POSITIVE

if TYPE_CHECKING:
    from skey.corpus.pieces import Split

SPLITS = click.Choice(["test", "train", "unlabelled"])
PLAN = [  # the options that choose a plan
    click.Option(["--split"], type=SPLITS, default="test", help="Which clips."),
    click.Option(["--clips"], type=POSITIVE, help="Only the first so many; they are balanced too."),
    click.Option(["--seed"], type=int, default=0, help="Seed of the arrangements."),
]


@click.group()
def corpus() -> None:
    """Build, describe and hear the open corpus: real compositions, played by our own sampler."""


@corpus.command(params=[*PLAN])
@click.option("--jobs", type=POSITIVE, help="Processes; as many as there are cores by default.")
def build(split: "Split", clips: int | None, seed: int, jobs: int | None) -> None:
    """Make the features that are missing or damaged.

    May be stopped at any moment, even by force, and started again: it goes on where it stopped.
    """
    from skey.corpus import build as building

    store = building.build(split, clips, jobs, seed, progress=True)
    size = sum(shard.array_path.stat().st_size for shard in store.shards) / 1e6
    click.echo(f"{len(store)} clips, {size:.1f} MB in {store.shards[0].folder}")
    click.echo(f"sha256 of the features: {store.digest()}")


@corpus.command(params=[*PLAN])
def describe(split: "Split", clips: int | None, seed: int) -> None:
    """Count the clips of a split by source, level, mode and key. Needs no built features."""
    from skey.corpus import plan

    click.echo("\n".join(plan.description_lines(split, plan.describe(plan.plan_clips(split, clips, seed)))))


@corpus.command()
@click.argument("piece")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--level", type=click.Choice(["full", "hard"]), default="full")
@click.option("--arrangement", type=click.IntRange(min=0), default=0, help="Another arrangement of it.")
@click.option("--seed", type=int, default=0, help="Seed of the arrangements.")
def listen(piece: str, output: Path, level: Literal["full", "hard"], arrangement: int, seed: int) -> None:
    """Write 30 s of PIECE as a sound file and say what is heard.

    PIECE is an id of the index (chorales/bwv10.7), or of a clip, which has arrangement, seed and level in it
    (chorales/bwv10.7#0-0-full).
    """
    from skey.corpus.listening import describe_sound, find_clip, write_clip

    if os.path.exists(output):
        raise click.UsageError(f"{output} is there already: name another file, or remove it")
    clip = find_clip(piece, level, arrangement, seed)
    write_clip(clip, output)
    click.echo("\n".join(describe_sound(clip)))


@corpus.command()
@click.argument("packages", nargs=-1)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder; by default your own.")
@click.option("--list", "listing", is_flag=True, help="Name the packages with their licences and stop.")
def music(packages: tuple[str, ...], out: Path | None, listing: bool) -> None:
    """Fetch recorded music without labels for `skey train --audio`: all of it, or some PACKAGES.

    It comes from the music packages of Debian 12, by the system's own package tool; nothing is installed.
    """
    from tqdm import tqdm

    from skey.corpus.packages import digest, fetch, read_packages
    from skey.files.folders import data_directory

    known = {package.package: package for package in read_packages()}
    unknown = [name for name in packages if name not in known]
    if unknown:
        raise click.UsageError(f"no package {', '.join(unknown)}: --list names them")
    chosen = [known[name] for name in packages or known]
    if listing:
        for package in chosen:
            click.echo(f"{package.package:<28} {package.version:<14} {package.licence}")
        return
    folder = out or data_directory() / "music"
    pieces = [piece for package in tqdm(chosen, unit="package") for piece in fetch(package, folder)]
    click.echo(f"{len(pieces)} pieces in {folder}")
    click.echo(f"sha256 of the pieces: {digest(pieces)}")

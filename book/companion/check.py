"""``python3 run.py check``: do the recorded numbers still hold?"""

from pathlib import Path

import click


@click.command()
@click.option("--recompute", is_flag=True, help="Also compute the predictions again, from the features.")
@click.option("--results", type=click.Path(path_type=Path), help="Folder of the record [default: results/].")
def check(recompute: bool, results: Path | None) -> None:
    """Recompute every recorded number from the recorded predictions and name each one that moved.

    Exits with status 1 where any did; otherwise lists the papers' claims with their verdicts.
    """
    from companion.corpus import check_corpus
    from companion.observations import check_observations
    from companion.record import RESULTS, find_checkout, recorded_experiments
    from companion.results import check_records, not_recomputed
    from companion.systems import systems
    from companion.training.check import check_training
    from companion.training.shipping import SHIPPED

    folder, at_hand = results or find_checkout() / RESULTS, systems()
    faults = check_records(folder, at_hand if recompute else None) + check_observations(folder)
    faults += check_training(folder, folder.parent / SHIPPED, recompute) + check_corpus(folder, recompute)
    for fault in faults:
        click.echo(fault)
    for line in not_recomputed(folder, at_hand) if recompute else ():
        click.echo(line)
    if faults:
        raise click.exceptions.Exit(1)
    what = "predictions and scores" if recompute else "scores"
    _print_claims(folder)
    click.echo(f"{', '.join(recorded_experiments(folder))}: all {what} are as recorded")


def _print_claims(folder: Path) -> None:
    """The papers' claims with the verdicts of the record, as the scoreboard of the book has them."""
    from companion.claims import judge_all, verdict_lines
    from companion.record import recorded_experiments
    from companion.results import read_experiment

    experiments = (read_experiment(folder, name) for name in recorded_experiments(folder))
    for line in verdict_lines(judge_all(experiments)):
        click.echo(line)

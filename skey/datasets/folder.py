"""A folder of one's own recordings with a CSV that names their keys."""

from collections.abc import Sequence
from pathlib import Path

from skey.datasets.base import Dataset, LabelError, MissingData, Track
from skey.datasets.labels import Row, parse_label, read_table


class Folder(Dataset):
    """Recordings and a table ``file,key[,group]``; other columns become tags.

    The root is the table, or a folder that holds ``labels.csv`` or one CSV file of another name. A file is
    named relative to the table. Tracks without a group each form their own.
    """

    name = "folder"
    title = "Folder with a CSV"
    licence = "your own"
    citation = "none: the recordings and their labels are your own"
    url = "your own disk"
    layout = "the recordings, and a table labels.csv with the columns file,key or file,key,group"

    def read_tracks(self) -> Sequence[Track]:
        """Read the table, in its order."""
        table = self.table()
        return read_table(table, ("file", "key"), lambda row: _track(row, table.parent))

    def table(self) -> Path:
        """The CSV file with the labels; raises ``MissingData`` where it cannot be told."""
        if self.root and self.root.is_file():
            return self.root
        folder = self.folder()
        tables = (
            [folder / "labels.csv"] if (folder / "labels.csv").is_file() else sorted(folder.glob("*.csv"))
        )
        if len(tables) != 1:
            found = f"{len(tables)} other CSV files" if tables else "no CSV file"
            raise MissingData(
                f"{self.title}: {folder / 'labels.csv'} is missing, found {found}. {self.advice()}"
            )
        return tables[0]


def _track(row: Row, folder: Path) -> Track:
    file = row["file"]
    if not file:
        raise LabelError("file '': expected a file name")
    tags = {name: text for name, text in row.items() if name not in ("file", "key", "group")}
    key, unlabelled = parse_label(row["key"])
    return Track(file, key, row.get("group") or file, folder / file, tags, unlabelled)

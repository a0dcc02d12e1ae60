"""Features on disk: whole or absent, and every changed byte is found."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from skey.corpus import shards as shards_module
from skey.corpus.shards import (
    CLIP_SHAPE,
    FeatureStore,
    MissingFeatures,
    Shard,
    StoreError,
    is_sound,
    recorded_checksum,
    write_shard,
)

VERSIONS = {"numpy": np.__version__}


def noise(clips: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (clips, *CLIP_SHAPE), np.uint8)


@pytest.fixture
def two_shards(tmp_path: Path) -> tuple[Shard, Shard]:
    first = Shard(tmp_path, "first", ("a", "b", "c"))
    second = Shard(tmp_path, "second", ("d",))
    write_shard(first, noise(3), VERSIONS)
    write_shard(second, noise(1, seed=1), VERSIONS)
    return first, second


def test_a_store_gives_back_the_bytes_of_each_clip(two_shards: tuple[Shard, Shard]) -> None:
    store = FeatureStore(two_shards)
    assert store.clip_ids == ("a", "b", "c", "d") and len(store) == 4
    np.testing.assert_array_equal(store["c"], noise(3)[2])
    np.testing.assert_array_equal(store[3], noise(1, seed=1)[0])
    np.testing.assert_array_equal(store.rows([3, 0]), np.stack([noise(1, seed=1)[0], noise(3)[0]]))


def test_features_are_read_by_memory_map(two_shards: tuple[Shard, Shard]) -> None:
    row = FeatureStore(two_shards)["a"]
    assert isinstance(row, np.memmap) and not row.flags.writeable


def test_an_unknown_clip_is_a_key_error(two_shards: tuple[Shard, Shard]) -> None:
    with pytest.raises(KeyError, match="nowhere"):
        FeatureStore(two_shards)["nowhere"]


@pytest.mark.parametrize("position", [0, 9, 127, 128, 200_000, -1])
def test_one_changed_byte_is_found_wherever_it_lies(two_shards: tuple[Shard, Shard], position: int) -> None:
    path = two_shards[0].array_path
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    assert not is_sound(two_shards[0]) and is_sound(two_shards[1])
    with pytest.raises(MissingFeatures, match="3 of 4 clips"):
        FeatureStore(two_shards)


def test_a_shortened_file_is_found(two_shards: tuple[Shard, Shard]) -> None:
    path = two_shards[1].array_path
    path.write_bytes(path.read_bytes()[:-1])
    for verify in (True, False):
        with pytest.raises(MissingFeatures):
            FeatureStore(two_shards, verify)


def test_damage_after_opening_is_found_by_asking(two_shards: tuple[Shard, Shard]) -> None:
    store = FeatureStore(two_shards)
    two_shards[1].array_path.rename(two_shards[1].array_path.with_suffix(".gone"))
    assert store.damaged() == store.missing() == (two_shards[1],)


def test_an_array_without_its_manifest_does_not_count(two_shards: tuple[Shard, Shard]) -> None:
    two_shards[0].manifest_path.unlink()
    assert not is_sound(two_shards[0])
    with pytest.raises(MissingFeatures):
        FeatureStore(two_shards, verify=False)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"clips": ["a"]}', '{"clips": 3, "plan": "first"}'])
def test_a_broken_manifest_counts_as_none(two_shards: tuple[Shard, Shard], text: str) -> None:
    two_shards[0].manifest_path.write_text(text, encoding="utf-8")
    assert recorded_checksum(two_shards[0]) is None


def test_a_manifest_of_other_clips_counts_as_none(two_shards: tuple[Shard, Shard]) -> None:
    first = two_shards[0]
    assert recorded_checksum(Shard(first.folder, first.name, ("a", "c", "b"))) is None


def test_the_manifest_names_clips_checksum_plan_and_versions(two_shards: tuple[Shard, Shard]) -> None:
    manifest = json.loads(two_shards[0].manifest_path.read_text("utf-8"))
    assert manifest["clips"] == ["a", "b", "c"] and manifest["plan"] == "first"
    assert len(manifest["sha256"]) == 64 and manifest["versions"] == VERSIONS


def test_the_digest_follows_the_bytes(two_shards: tuple[Shard, Shard]) -> None:
    before = FeatureStore(two_shards).digest()
    write_shard(two_shards[1], noise(1, seed=1), VERSIONS)
    assert FeatureStore(two_shards).digest() == before
    write_shard(two_shards[1], noise(1, seed=2), VERSIONS)
    assert FeatureStore(two_shards).digest() != before


def test_a_builder_killed_while_writing_leaves_nothing_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = Shard(tmp_path, "torn", ("a",))

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shards_module.os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        write_shard(shard, noise(1), VERSIONS)
    assert not shard.array_path.exists() and not is_sound(shard)
    monkeypatch.undo()
    write_shard(shard, noise(1), VERSIONS)
    assert is_sound(shard) and not list(tmp_path.glob("*.partial"))


def test_a_full_disk_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shards_module.os, "fsync", full)
    with pytest.raises(StoreError, match=r"No space left on device.*SKEY_DATA"):
        write_shard(Shard(tmp_path, "big", ("a",)), noise(1), VERSIONS)


def test_a_folder_that_is_a_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match="SKEY_DATA"):
        write_shard(Shard(tmp_path / "file", "name", ("a",)), noise(1), VERSIONS)

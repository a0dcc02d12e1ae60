"""The open corpus as a data set: what it says, what it gives, and that features are those of its sound."""

import numpy as np
import pytest
import torch

from companion.datasets import MissingData, load_dataset
from companion.datasets.open_corpus import OpenCorpus
from skey.corpus.build import SHARD_CLIPS, FeatureStore, MissingFeatures, build, clip_features
from skey.corpus.plan import plan_clips
from skey.vqt import log_vqt

CLIPS = 4


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Four real clips, built in this process."""
    folder = tmp_path_factory.mktemp("features")
    build("test", CLIPS, 1, directory=folder)
    return OpenCorpus(folder, CLIPS)


def test_features_are_the_log_vqt_of_what_is_heard(built):
    track = built.tracks()[1]
    heard = log_vqt(torch.from_numpy(built.waveform(track)))
    difference = (built.log_vqt(track) - heard.clamp(0, 1.25)).abs().max()
    assert built.log_vqt(track).shape == (99, 1292)
    assert float(difference) <= 1.25 / 255 / 2 + 1e-6


def test_peaks_above_one_are_not_clipped_and_bytes_do_not_depend_on_other_clips(built):
    assert all(float(built.log_vqt(track).max()) < 1.25 for track in built.tracks())
    np.testing.assert_array_equal(built.features[2], clip_features(built.clips[2]))


def test_what_was_not_built_names_the_command_that_builds_it(tmp_path):
    dataset = load_dataset("open-corpus", tmp_path, limit=2 * SHARD_CLIPS)
    for ask in (dataset.require, lambda: dataset.log_vqt(dataset.tracks()[0])):
        with pytest.raises(MissingData, match="skey corpus build --split test --clips 24") as caught:
            ask()
        assert f"SKEY_DATA={tmp_path}" in str(caught.value)


def test_features_of_a_whole_shard_serve_a_limit_within_it(monkeypatch):
    asked, store = [], FeatureStore(())

    def opened(split: str, clips: int, **others: object) -> FeatureStore:
        asked.append(clips)
        if clips % SHARD_CLIPS:
            raise MissingFeatures(f"{clips} clips were not built alone")
        return store

    monkeypatch.setattr("companion.datasets.open_corpus.open_store", opened)
    assert OpenCorpus(limit=SHARD_CLIPS + 2).features is store
    assert asked == [SHARD_CLIPS + 2, 2 * SHARD_CLIPS]


def test_a_limit_beyond_the_last_piece_takes_all():
    assert len(OpenCorpus(limit=1000).tracks()) == 240


def test_the_hash_of_the_data_follows_labels_and_notes():
    eight, again, nine = (OpenCorpus(limit=count).data_hash() for count in (8, 8, 9))
    assert eight == again != nine


def test_the_features_of_the_plan_come_in_its_order(built):
    planned = tuple(clip.id for clip in plan_clips("test", CLIPS))
    assert built.features.clip_ids == planned == tuple(track.id for track in built.tracks())

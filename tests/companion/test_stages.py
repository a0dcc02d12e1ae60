"""What the page on speed says of stages is measured in units of sound, tracks and pairs."""

import json

from click.testing import CliRunner

from companion.__main__ import main
from companion.studies import stages
from skey.cli.step import Stage


def test_stages_are_listed_with_what_they_read_and_write(monkeypatch):
    monkeypatch.setattr(stages, "ways_to_step", lambda _: [Stage("step, plain", "pair", 1, lambda: None)])
    shown = CliRunner().invoke(main, ["stages", "--minutes", "0.5", "--runs", "1"])
    assert shown.exit_code == 0, shown.exception
    rows = {row["stage"]: row for row in json.loads(shown.stdout)["rows"]}
    assert all(row["cpu_seconds"] >= 0 for row in rows.values())
    assert {row["of"] for row in rows.values()} == {"minute", "track", "pair"}
    for name in ("write shards", "check shards", "read shards"):
        assert rows[name]["bytes"] == 2 * 99 * 646, name
    parts = sum(row["cpu_seconds"] for row in rows.values() if row["of"] == "minute")
    assert 0 < rows["decode"]["cpu_seconds"] < parts
    assert list(rows)[-1] == "step, plain"

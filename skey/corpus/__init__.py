"""The open corpus: real compositions, arranged, played and degraded, the same on every machine."""

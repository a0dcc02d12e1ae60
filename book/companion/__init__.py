"""The companion to STONE and S-KEY: the papers' numbers, the record of ours, the pages of the book."""

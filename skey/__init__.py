"""A reproducible companion to STONE (ISMIR 2024) and S-KEY (ICASSP 2025).

The package imports nothing heavy by itself: import the floor that you need, for example
``from skey.keys import parse_key`` or ``from skey.metrics import mirex_score``.
"""

__version__ = "0.1.0"

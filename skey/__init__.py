"""A reproducible companion to STONE (ISMIR 2024) and S-KEY (ICASSP 2025): import the module that you need."""

__version__ = "0.1.0"

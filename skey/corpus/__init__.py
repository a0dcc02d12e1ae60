"""The open corpus: real compositions, arranged, played and degraded, the same on every machine.

``pieces`` reads scores, ``plan`` says which clips a split has, ``build`` makes and opens their features,
``listening`` lets a clip be heard.
"""

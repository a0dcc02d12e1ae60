"""The open corpus: real compositions, arranged, played and degraded, the same on every machine.

``sources`` reads the pieces, ``plan`` says which clips a split has, ``build`` makes and opens their features,
``fingerprint`` compares them with the record, ``listening`` lets a clip be heard.
"""

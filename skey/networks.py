"""The kinds of network that experiments train and weights files hold."""

from skey.architecture import AllConvolutional, Settings
from skey.model import ChromaNet
from skey.supervised import KeyClassifier

Network = ChromaNet | KeyClassifier


def build_network(settings: Settings) -> Network:
    """The network that the settings describe, its parameters drawn by chance."""
    return KeyClassifier(settings) if isinstance(settings, AllConvolutional) else ChromaNet(settings)

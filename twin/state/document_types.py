"""What msgspec has to know of the documents' types, worked out when the twin is imported.

msgspec does so at the first document of a type, and shows what is half done to other threads: two shards that a fresh
worker restores side by side ended the process with a segmentation fault (msgspec 0.22; found by kill -9 at every fault
point, once in two hundred starts).
"""

import msgspec


def prepare_document_types(kind: type[msgspec.Struct] = msgspec.Struct) -> None:
    """Prepare every struct of the twin that was defined so far; to be called once all modules are there."""
    for each in kind.__subclasses__():
        if each.__module__.startswith("twin."):
            msgspec.json.Decoder(each)
        prepare_document_types(each)

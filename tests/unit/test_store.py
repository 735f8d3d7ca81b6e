"""What changed, and a digest over all of it that does not depend on the order of changes."""

from hypothesis import given
from hypothesis import strategies as st

from schemas import join_key, split_key
from twin.state.store import DocumentStore


class Doc:
    def __init__(self, value: bytes) -> None:
        self.value = value

    def encode(self) -> bytes:
        return self.value


def test_only_what_really_changed_is_taken() -> None:
    store = DocumentStore()
    store.put("a", Doc(b"1"))
    store.put("b", Doc(b"2"))
    assert {"a": b"1", "b": b"2"} == store.take()
    store.put("a", Doc(b"1"))
    store.remove("b")
    store.put("c", Doc(b"3"))
    store.remove("c")
    assert {"b": None} == store.take()
    assert 1 == len(store)


@given(st.dictionaries(st.text(max_size=3), st.binary(max_size=3), max_size=5))
def test_the_digest_follows_from_the_documents_alone(documents: dict[str, bytes]) -> None:
    forward, backward, adopted = DocumentStore(), DocumentStore(), DocumentStore()
    for key, value in documents.items():
        forward.put(key, Doc(value))
        forward.take()
    backward.put("gone", Doc(b"x"))
    for key, value in reversed(documents.items()):
        backward.put(key, Doc(value + b"!"))
    backward.take()
    if "gone" not in documents:
        backward.remove("gone")
    for key, value in documents.items():
        backward.put(key, Doc(value))
    backward.take()
    adopted.adopt(documents)

    assert forward.digest(b"h") == backward.digest(b"h") == adopted.digest(b"h")
    assert forward.digest(b"h") != forward.digest(b"i")


def test_moving_a_byte_from_value_to_key_shows() -> None:
    one, other = DocumentStore(), DocumentStore()
    one.adopt({"ab": b"c"})
    other.adopt({"a": b"bc"})
    assert one.digest(b"") != other.digest(b"")


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_distinct_parts_never_share_a_key(parts: list[str], others: list[str]) -> None:
    assert parts == split_key(join_key(*parts))
    assert (parts == others) == (join_key(*parts) == join_key(*others))

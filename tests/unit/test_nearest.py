"""A name that nothing has is answered with what there is."""

from streams.nearest import unknown


def test_near_names_come_first_then_what_there_is() -> None:
    assert "there is no item 'boxx'; did you mean box or Box-L?" == unknown(
        "item", "boxx", ["tub", "box", "Box-L", "box"]
    )
    assert "there is no item 'x'; there is ab, cd, ef, ..." == unknown("item", "x", ["gh", "ef", "cd", "ab"])
    assert "there is no item 'x': none is known at all" == unknown("item", "x", [])

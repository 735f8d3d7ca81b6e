"""Order of the tests: the fast ones first, then the slow ones, then those that need Kafka."""

import pytest


@pytest.hookimpl(trylast=True)  # after pytest-randomly has shuffled them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def cost(item: pytest.Item) -> int:
        return 2 * (item.get_closest_marker("kafka") is not None) + (
            item.get_closest_marker("slow") is not None
        )

    items.sort(key=cost)

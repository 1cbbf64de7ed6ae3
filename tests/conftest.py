import pytest
from hypothesis import settings
from support import peers

# A slow machine is no bug: the time of one example says nothing.
settings.register_profile("convcli", deadline=None, max_examples=300)
settings.load_profile("convcli")


def pytest_runtest_setup(item: pytest.Item) -> None:
    peers.is_marked = item.get_closest_marker("peers") is not None

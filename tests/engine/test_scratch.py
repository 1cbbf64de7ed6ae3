from threading import Thread
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from convcli.engine import scratch
from convcli.engine.scratch import Scratch

SIZE = 1 << 20


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "free", {})


def kept() -> list[int]:
    return [memory.nbytes - scratch.ALIGNMENT_BYTES for memory in scratch.free.values()]


def test_memory_comes_back_for_the_next() -> None:
    Scratch()("values", (SIZE,), np.uint8)[:] = 7
    assert kept() == [SIZE]
    again = Scratch()("others", (SIZE // 4,), np.int32)
    assert kept() == []
    assert again.tobytes() == b"\7" * SIZE


def test_memory_in_use_is_given_to_nobody() -> None:
    array = Scratch()("values", (2, SIZE // 2), np.uint8)
    views = [array[1:, 5:], as_strided(array, (3, 3), (1, 1)), array.view(np.int16).T]
    del array
    while views:
        assert kept() == []
        views.pop()
    assert kept() == [SIZE]


def test_one_scratch_has_the_same_memory_all_the_time() -> None:
    memory = Scratch()
    first = memory("values", (SIZE,), np.uint8)
    assert np.shares_memory(first, memory("values", (SIZE // 2,), np.uint8))
    assert not np.shares_memory(first, memory("others", (SIZE // 2,), np.uint8))
    assert not np.shares_memory(first, Scratch()("values", (SIZE,), np.uint8))


@pytest.mark.parametrize("size", [1, 100, SIZE, SIZE + 1])
def test_memory_starts_at_a_line_of_the_cache(size: int) -> None:
    memory = Scratch()
    for name in ("first", "second"):
        array = memory(name, (size,), np.float64)
        assert array.size == size
        assert array.ctypes.data % scratch.ALIGNMENT_BYTES == 0


def test_memory_far_larger_than_asked_for_stays() -> None:
    Scratch()("values", (SIZE,), np.uint8)
    few = Scratch()("values", (SIZE // 3,), np.uint8)
    assert few.base is not None
    assert kept() == [SIZE]


def test_the_oldest_goes_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "MAX_KEPT_BYTES", 4 * SIZE)
    memory = Scratch()
    for count in (1, 2, 5, 3):
        memory(f"{count}", (count * SIZE,), np.uint8)
    del memory
    assert sum(kept()) <= 4 * SIZE
    assert kept()[-1] == 3 * SIZE


def test_threads_never_have_the_same_memory() -> None:
    wrong: list[int] = []

    def work(own: int) -> None:
        for _ in range(300):
            values = Scratch()("values", (1 << 15,), np.uint8)
            values[:] = own
            if (values != own).any():
                wrong.append(own)

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_thread_gets_the_memory_that_it_had_before_that_of_others() -> None:
    own = Scratch()("values", (SIZE,), np.uint8).ctypes.data
    kept_for_later = []

    def use() -> None:
        kept_for_later.append(Scratch()("values", (SIZE - 64,), np.uint8))

    memory = Scratch()("values", (SIZE,), np.uint8)  # so that the thread has to take other memory
    thread = Thread(target=use)
    thread.start()
    thread.join()
    del memory
    kept_for_later.clear()
    assert len(kept()) == 2
    assert Scratch()("values", (SIZE // 2,), np.uint8).ctypes.data == own


class Contested(dict[tuple[int, int], Any]):
    """Memory that another thread takes and drops, whose id another memory then gets."""

    def pop(self, key: Any, default: Any = None) -> Any:
        """Take memory just after another thread has done so."""
        super().pop(key)
        others = []
        for _ in range(100):
            others.append(np.empty(scratch.MIN_KEPT_BYTES, np.uint8))
            if id(others[-1]) == key[1]:
                return others[-1]
        return default


def test_other_memory_of_the_same_id_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "free", Contested())
    Scratch()("values", (SIZE,), np.uint8)
    assert kept() == [SIZE]
    assert Scratch()("values", (SIZE,), np.uint8).nbytes == SIZE

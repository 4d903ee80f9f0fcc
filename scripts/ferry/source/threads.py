"""Work in several threads, told as it gets done; a thread that hangs for good holds up nobody."""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

IDLE_S = 0.5


def results_of[Item, Result](
    items: Iterable[Item],
    *,
    workers: Sequence[Callable[[Iterator[Item]], Iterable[Result]]],
    stopped: threading.Event,
    is_stuck: Callable[[], bool],
) -> Generator[Result | None]:
    """Give the results of each item that was begun, as they are done; None now and then while none is.

    Each of the `workers` runs in a thread of its own: it takes items as long as it gets some, and gives their
    results. Items begin in their order. When the generator ends or is closed, `stopped` is set, no further item is
    begun, and the threads have ended, unless `is_stuck` says that one never will: such a thread does not outlive the
    process (a pool's would keep it alive).

    Raises:
        whatever a worker raises.
    """
    waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)
    done: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

    def taken() -> Iterator[Item]:
        with contextlib.suppress(queue.Empty):
            while not stopped.is_set():
                yield waiting.get_nowait()

    def work(worker: Callable[[Iterator[Item]], Iterable[Result]]) -> None:
        try:
            for result in worker(taken()):
                done.put((result, None))
        except BaseException as error:  # noqa: BLE001 - raised where the results are taken
            done.put((None, error))
        else:
            done.put((None, None))

    threads = [threading.Thread(target=work, args=[worker], daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        working = len(threads)
        while working:
            try:
                result, error = done.get(timeout=IDLE_S)
            except queue.Empty:
                yield None
                continue
            if error is not None:
                raise error
            if result is None:
                working -= 1
            else:
                yield result
    finally:
        stopped.set()
        for thread in threads:
            while thread.is_alive() and not is_stuck():
                thread.join(IDLE_S)

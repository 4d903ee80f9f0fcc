"""Work in other threads, told as it gets done; a thread that hangs for good holds up nobody."""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator

from ferry.errors import TransientError

IDLE_S = 0.5


def in_time[Result](action: Callable[[], Result], *, limit_s: float, what: str) -> Result:
    """Do something that waits for a server, and give up what has not ended then, however the server draws it out.

    Raises:
        TransientError: it has not ended in time; `what` says what was asked for.
        whatever `action` raises.
    """
    done: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((action(), None))
        except BaseException as error:  # noqa: BLE001 - raised where the result is taken
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=limit_s)
    except queue.Empty:
        raise TransientError(f"{what}: expected a whole answer within {limit_s:.0f} s, found none") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def results_of[Item, Result](
    items: Iterable[Item],
    *,
    work: Callable[[Item], Result],
    threads: int,
    stopped: threading.Event,
    is_stuck: Callable[[], bool],
) -> Generator[Result | None]:
    """Give the result of `work` for each item that was begun, as they are done; None now and then while none is.

    Items begin in their order, one in each of the `threads`. When the generator ends or is closed, `stopped` is set,
    no further item is begun, and the threads have ended, unless `is_stuck` says that one never will: such a thread
    does not outlive the process (a pool's would keep it alive).

    Raises:
        whatever `work` raises.
    """
    waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)
    done: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

    def taken() -> Iterator[Item]:
        with contextlib.suppress(queue.Empty):
            while not stopped.is_set():
                yield waiting.get_nowait()

    def run() -> None:
        try:
            for item in taken():
                done.put((work(item), None))
        except BaseException as error:  # noqa: BLE001 - raised where the results are taken
            done.put((None, error))
        else:
            done.put((None, None))

    running = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        working = threads
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
        for thread in running:
            while thread.is_alive() and not is_stuck():
                thread.join(IDLE_S)

"""Where the event loop looks up names: threads that nobody waits for when the process ends.

asyncio's own are joined at exit, and a look-up cannot be cut: one name server that does not answer held the process for
half a minute.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST: Final = 64  # at once; look-ups that hang are not to leave more and more threads behind


class DaemonThreads(ThreadPoolExecutor):
    """A thread for each call, up to `most` at once; more are refused, as a look-up that failed is."""

    def __init__(self, most: int = MOST) -> None:
        super().__init__(max_workers=1)  # asyncio takes no other kind of executor; this one's own threads never start
        self._free = threading.BoundedSemaphore(most)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call in a thread. Raises OSError where too many hang."""
        if not self._free.acquire(blocking=False):
            raise OSError("too many names are being looked up; does the name server answer?")
        future: Future[T] = Future()

        def work() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                future.set_exception(error)
            finally:
                self._free.release()

        threading.Thread(target=work, name="look-up", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's
        """Leave behind what still runs."""

"""One side of a comparison in a process of its own, its models loaded once and kept."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import Any, Generic, TypeVar

__all__ = ["Apart"]

Result = TypeVar("Result")
Kept = TypeVar("Kept")


class Apart(Generic[Kept]):
    """An object that lives in a process of its own: `with Apart(Glue, weights) as glue`.

    The sides of a comparison share no thread pool, no cache and no setting of a library.
    """

    def __init__(self, make: Callable[..., Kept], *given: object) -> None:
        context = multiprocessing.get_context("spawn")
        self._process = ProcessPoolExecutor(1, context, initializer=_make, initargs=(make, given))

    def __enter__(self) -> Apart[Kept]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.shutdown()

    def ask(self, method: Callable[..., Result], *given: object) -> Result:
        """Call a method of the object there; raises what it raises."""
        result: Result = self._process.submit(_call, method.__name__, given).result()
        return result


_kept: list[Any] = []


def _make(make: Callable[..., Any], given: tuple[object, ...]) -> None:
    _kept.append(make(*given))


def _call(name: str, given: tuple[object, ...]) -> Any:
    return getattr(_kept[0], name)(*given)

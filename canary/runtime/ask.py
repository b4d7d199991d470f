"""Questions -> answers, all at once under one deadline. Called by `tick`.

Alone here an outage becomes an answer: what is unreachable or late is `Unanswered`, and what to do about it is core's.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from canary.core.questions import (
    Answer,
    Answers,
    CallGate,
    FindBounds,
    Question,
    ReadCounters,
    ReadHistory,
    RunQuery,
    Unanswered,
)
from canary.errors import Unreachable
from canary.runtime.ports import Gatekeeper
from canary.runtime.readings import Readings


@dataclass(frozen=True, slots=True)
class Oracle:
    """Who answers: Prometheus and the user's webhooks."""

    readings: Readings
    gates: Gatekeeper


async def ask(questions: Collection[Question], oracle: Oracle, within: timedelta) -> Answers:
    """Answer every question; whatever is not answered `within` is Unanswered."""
    if not questions:
        return {}
    tasks = {question: asyncio.create_task(_answer(question, oracle)) for question in dict.fromkeys(questions)}
    try:
        done, late = await asyncio.wait(tasks.values(), timeout=within.total_seconds())
    finally:
        for task in tasks.values():
            task.cancel()
    for bug in [error for task in done if (error := task.exception()) is not None]:
        raise bug
    waited = Unanswered(detail=f"no answer within {within.total_seconds():g} s")
    return {question: waited if task in late else task.result() for question, task in tasks.items()}


async def _answer(question: Question, oracle: Oracle) -> Answer:
    try:
        match question:
            case ReadCounters():
                return await oracle.readings.read(question)
            case ReadHistory():
                return await oracle.readings.history(question)
            case FindBounds():
                return await oracle.readings.bounds(question)
            case RunQuery():
                return await oracle.readings.numbers(question)
            case CallGate():
                return await oracle.gates.call(question)
            case _:
                assert_never(question)
    except Unreachable as error:
        return Unanswered(detail=error.hint)

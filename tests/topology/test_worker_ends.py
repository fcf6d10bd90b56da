"""What must not end before the worker does: when it has ended, the worker can't go on, and says which."""

from __future__ import annotations

import asyncio

from streams.worker import Running, ended


def why(*, task: Exception | None = None, start: Exception | None = None, memory: str = "") -> str:
    """What is said of a worker of which these have ended; None: it goes on."""

    async def scenario() -> str:
        background, starting = (asyncio.get_running_loop().create_future() for _ in range(2))
        for future, error in ((background, task), (starting, start)):
            if error is not None:
                future.set_exception(error)
        return ended(Running(background=[background], starting=starting, memory=lambda: memory))

    return asyncio.run(scenario())


def test_while_all_goes_on_nothing_is_said() -> None:
    assert why() == ""


def test_a_task_that_ended_and_a_start_that_failed_are_faults() -> None:
    assert why(task=RuntimeError("secret")) == "a background task ended with RuntimeError"
    assert why(start=OSError("secret")) == "Faust could not start: OSError"


def test_a_reader_of_keys_that_died_is_a_fault() -> None:
    """Else the worker would never hear of the others' keys again, and nobody of that."""
    said = "the reader of comms.keys ended with KafkaException"
    assert why(memory=said) == said

"""One contract for every sender, fake and real: each ending of a call is told apart, and nothing is raised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from streams.core.messages import Message
from streams.core.ports import Delivered, Delivery, Refused, Sender, Unknown
from tests.adapters.mail_server import MailServer, mail_server
from tests.builders import message, route
from tests.fakes import Ending, FakeSender

Reached = Callable[[], int]
"""How often the provider was called at all."""
Provider = Callable[[Ending], AbstractAsyncContextManager[tuple[Sender, Reached]]]


@asynccontextmanager
async def fake(ending: Ending) -> AsyncIterator[tuple[Sender, Reached]]:
    sender = FakeSender(ending)
    yield sender, lambda: len(sender.calls)


@asynccontextmanager
async def smtp(ending: Ending) -> AsyncIterator[tuple[Sender, Reached]]:
    async with mail_server(MailServer(ending)) as server:
        yield server.sender(), lambda: server.connections


PROVIDERS = [fake, smtp]


def sent(provider: Provider, ending: Ending, mail: Message | None = None) -> tuple[Delivery, int]:
    """The delivery of one message, and how often the provider was called."""

    async def scenario() -> tuple[Delivery, int]:
        async with provider(ending) as (sender, reached):
            delivery = await sender.send(mail or message())
            return delivery, reached()

    return asyncio.run(scenario())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_the_provider_takes_is_delivered_and_carries_its_id(provider: Provider) -> None:
    delivery, reached = sent(provider, Ending.TAKEN)
    assert isinstance(delivery, Delivered)
    assert delivery.provider
    assert delivery.provider_id
    assert reached == 1


@pytest.mark.parametrize(
    ("ending", "retryable"), [(Ending.REFUSED_FOR_EVER, False), (Ending.REFUSED_FOR_NOW, True), (Ending.AWAY, True)]
)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_surely_was_not_sent_is_refused(provider: Provider, ending: Ending, retryable: bool) -> None:  # noqa: FBT001 - a column
    """With a code that holds no address, and the news whether another time may do better."""
    delivery, _ = sent(provider, ending)
    assert isinstance(delivery, Refused)
    assert delivery.retryable is retryable
    assert delivery.code
    assert "ben" not in delivery.code


@pytest.mark.parametrize("ending", [Ending.CUT, Ending.SILENT])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_may_have_been_sent_is_unknown(provider: Provider, ending: Ending) -> None:
    """Never refused: a second copy would be the price of a wrong guess."""
    delivery, reached = sent(provider, ending)
    assert isinstance(delivery, Unknown)
    assert delivery.what
    assert reached == 1


INVALID = {
    "a header in it": "ben@example.org\r\nBcc: eve@example.org",
    "a newline at its end": "ben@example.org\n",
    "a null": "ben\0@example.org",
    "no @": "ben.example.org",
    "empty": "",
    "only an @": "@",
    "no local part": "@example.org",
    "no domain": "ben@",
    "a space": "ben@example org",
    "two of them": "ben@example.org, eve@example.org",
    "in angle brackets": "<ben@example.org>",
    "with a name": "Ben <ben@example.org>",
    "a local part too long": "b" * 65 + "@example.org",
    "a domain too long": "ben@" + ("d" * 60 + ".") * 4 + "example.org",
    "a local part beyond ASCII": "b\u00e9n@example.org",
    "a domain beyond ASCII": "ben@\u00e9xample.org",
}


@pytest.mark.parametrize("address", INVALID.values(), ids=INVALID)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_address_that_is_none_is_refused_for_ever_and_the_provider_never_called(
    provider: Provider, address: str
) -> None:
    """Validated by us, before any library sees it."""
    delivery, reached = sent(provider, Ending.TAKEN, message(to=address))
    assert isinstance(delivery, Refused)
    assert not delivery.retryable
    assert reached == 0
    assert "ben" not in delivery.code


VALID = {
    "plain": "ben@example.org",
    "tagged": "ben+grants@mail.example.org",
    "odd but right": "b.o'neil_{x}@example-2.org",
    "long": "b" * 64 + "@example.org",
}


@pytest.mark.parametrize("address", VALID.values(), ids=VALID)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_address_of_the_contract_is_good(provider: Provider, address: str) -> None:
    delivery, reached = sent(provider, Ending.TAKEN, message(to=address))
    assert isinstance(delivery, Delivered)
    assert reached == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_second_message_does_not_suffer_from_the_first(provider: Provider) -> None:
    async def scenario() -> list[Delivery]:
        async with provider(Ending.TAKEN) as (sender, _):
            mails = [message(to="nobody"), message(), message(route=route(recipient_id="student-8"))]
            return [await sender.send(mail) for mail in mails]

    assert [type(delivery) for delivery in asyncio.run(scenario())] == [Refused, Delivered, Delivered]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_messages_may_be_sent_at_the_same_time(provider: Provider) -> None:
    async def scenario() -> list[Delivery]:
        async with provider(Ending.TAKEN) as (sender, _):
            return await asyncio.gather(*(sender.send(message()) for _ in range(5)))

    assert all(isinstance(delivery, Delivered) for delivery in asyncio.run(scenario()))

"""Brokers for tests, each started once a session and only when asked for; and what the run tells about itself."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import settings

from tests.brokers.choose import EMBEDDED, KAFKA, Choice, Missing, RunningBroker, launch, pick, required
from tests.brokers.kafka import KafkaBroker, KafkaUnavailable
from tests.producers.tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARKERS = {
    "integration": "needs a broker",
    "best_broker": "on Apache Kafka where it can be had, else on the embedded broker; all else runs on both",
    "properties": "the long run of a property; make properties",
    "fault": "fault(number): which row of the list of faults this shows",
    "long": "a fault that takes many minutes: make faults-long",
    "faults": "breaks Apache Kafka or a worker on purpose; takes minutes",
}
settings.register_profile("thorough")  # --hypothesis-profile=thorough: where a test makes less of it by default
BROKER_FIXTURES = {"broker", "kafka_broker", "kafka_node"}
REASON_LENGTH = 200


class SessionBrokers:
    """The brokers of one session: each begins when it is first asked for, and all end with the session."""

    def __init__(self, needed: frozenset[str]) -> None:
        self._needed = needed
        self._picked: dict[str, Choice | Missing] = {}
        self._known: dict[str, RunningBroker | Missing] = {}
        self.used: list[str] = []

    def pick(self, kind: str) -> Choice | Missing:
        """The choice for a kind, made once; starts nothing."""
        if kind not in self._picked:
            self._picked[kind] = pick(kind, os.environ)
        return self._picked[kind]

    def get(self, kind: str) -> RunningBroker:
        """The broker of a kind. Where there is none, the test is skipped, or failed if REQUIRE names the kind."""
        if kind not in self._known:
            choice = self.pick(kind)
            self._known[kind] = choice if isinstance(choice, Missing) else launch(choice)
        found = self._known[kind]
        if isinstance(found, Missing):
            self.lacks(kind, found.reason)
        self.note(found.name)
        return found

    def lacks(self, kind: str, reason: str) -> NoReturn:
        """Skip the test that asked for it, or fail it if REQUIRE names the kind."""
        if kind in self._needed:
            pytest.fail(f"REQUIRE={kind}, but: {reason}", pytrace=False)
        pytest.skip(f"no {'' if kind in TOOLS else 'broker '}`{kind}`: {reason}")

    def note(self, name: str) -> None:
        """Remember for the summary that a test used this broker."""
        if name not in self.used:
            self.used.append(name)

    def stop(self) -> None:
        """End all that were started."""
        for found in self._known.values():
            if isinstance(found, RunningBroker):
                found.stop()
        self._known.clear()


BROKERS = pytest.StashKey[SessionBrokers]()


class RunReport:
    """Says which brokers a run uses, and in its very last line what did not run, and why."""

    def __init__(self, brokers: SessionBrokers) -> None:
        self._brokers = brokers
        self._selected = 0
        self._begun: set[str] = set()
        self._reasons: Counter[str] = Counter()
        self._ended = False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember how many tests are to run."""
        self._selected = len(session.items)

    def pytest_report_collectionfinish(self, items: Sequence[pytest.Item]) -> list[str]:
        """Name the broker of each kind, if any test needs one."""
        kinds = sorted({kind for item in items for kind in kinds_of(item)})
        found = [self._brokers.pick(kind) for kind in kinds]
        return [
            f"broker `{one.kind}`: {'none, ' + one.reason if isinstance(one, Missing) else one.name}" for one in found
        ]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Remember that a test was begun."""
        self._begun.add(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a skipped test; one that is expected to fail did run."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._reasons[reason_of(report)] += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember a module that was skipped as a whole."""
        if report.skipped:
            self._reasons[reason_of(report)] += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the brokers that were used."""
        if self._brokers.used:
            terminalreporter.section("brokers used")
            for name in self._brokers.used:
                terminalreporter.write_line(name)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Remember that there was a run to speak of."""
        self._ended = not session.config.option.collectonly

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Print the last line of all: how many tests did not run, and why."""
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if not self._ended or reporter is None:
            return
        if early := self._selected - len(self._begun):
            self._reasons["the run stopped before them"] += early
        reporter.write_line(not_run(self._reasons))


def not_run(reasons: Counter[str]) -> str:
    """The line that says how many tests did not run, and for each reason how many."""
    if not reasons:
        return "not run: 0"
    each = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    return f"not run: {reasons.total()}, because: {each}"


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped, on one line."""
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return " ".join(told.removeprefix("Skipped: ").split())[:REASON_LENGTH]


def kinds_of(item: pytest.Item) -> set[str]:
    """The kinds of broker that a test asks for."""
    fixtures = set(getattr(item, "fixturenames", ()))
    if isinstance(item, pytest.Function) and "broker" in fixtures:
        return {str(item.callspec.params["broker"])}
    return {KAFKA} if fixtures & BROKER_FIXTURES else set()


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and the report; end at once if REQUIRE names what can't be had here."""
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    try:
        needed = required(os.environ, TOOLS)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[BROKERS] = session_brokers = SessionBrokers(needed)
    for tool in sorted(needed & TOOLS.keys()):
        if lacking := TOOLS[tool].lacking(os.environ):
            raise pytest.UsageError(f"REQUIRE={tool}, but: {lacking}")
    for kind in sorted(needed - TOOLS.keys()):
        found = session_brokers.pick(kind)
        if isinstance(found, Missing):
            raise pytest.UsageError(f"REQUIRE={kind}, but: {found.reason}")
    config.pluginmanager.register(RunReport(session_brokers), "run-report")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test that asks for a broker, so that `-m "not integration"` never starts one."""
    for item in items:
        if BROKER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.integration)
    other = [
        item for item in items if item.get_closest_marker("best_broker") and _other_broker(config) in kinds_of(item)
    ]
    if other:
        config.hook.pytest_deselected(items=other)
        items[:] = [item for item in items if item not in other]


def _other_broker(config: pytest.Config) -> str:
    """The kind that a test on the best broker does without."""
    return KAFKA if isinstance(config.stash[BROKERS].pick(KAFKA), Missing) else EMBEDDED


@pytest.fixture(scope="session")
def brokers(pytestconfig: pytest.Config) -> Iterator[SessionBrokers]:
    """The brokers of this session."""
    session_brokers = pytestconfig.stash[BROKERS]
    yield session_brokers
    session_brokers.stop()


@pytest.fixture(scope="session", params=[KAFKA, EMBEDDED], ids=[KAFKA, EMBEDDED])
def broker(request: pytest.FixtureRequest, brokers: SessionBrokers) -> RunningBroker:
    """A broker of each kind in turn; shared, so use `topic_prefix` and leave it running."""
    return brokers.get(request.param)


@pytest.fixture(scope="session")
def kafka_broker(brokers: SessionBrokers) -> RunningBroker:
    """Apache Kafka; shared, so use `topic_prefix` and leave it running."""
    return brokers.get(KAFKA)


@pytest.fixture(scope="session")
def kafka_node(brokers: SessionBrokers) -> Iterator[KafkaBroker]:
    """A Kafka node of our own, for what must stand before it all the time (a proxy); tests take `kafka_process`."""
    node = KafkaBroker()
    missing = ""
    try:
        node.start()
    except KafkaUnavailable as error:
        missing = str(error)
    if missing:
        brokers.lacks(KAFKA, missing)
    brokers.note(f"{node.name}, to be broken")
    yield node
    node.stop()


@pytest.fixture
def kafka_process(kafka_node: KafkaBroker) -> Iterator[KafkaBroker]:
    """A Kafka node for a test to kill, pause or cut off; afterwards it runs again, with the same data."""
    yield kafka_node
    if kafka_node.running:
        kafka_node.resume()
    else:
        kafka_node.restart()


@pytest.fixture
def topic_prefix() -> str:
    """A short prefix for the names of this test's topics and groups, unlike any other test's, such as `t3fa91c2e.`."""
    return f"t{secrets.token_hex(4)}."

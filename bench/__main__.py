"""``python -m bench [--events N] [--runs N]``: alternate the contenders on one broker and print medians and ratios."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import load, steps
from streams.core.signing import PrivateKey
from streams.core.token import Producer
from streams.demo.auth_server import AuthServer, AuthService
from tests.brokers.choose import EMBEDDED, KAFKA, Missing, RunningBroker, launch, pick

CONTENDERS = {"ours": "bench.ours", "plain loop": "bench.plain"}
RESULTS = Path(__file__).parent / "results"


def broker() -> RunningBroker:
    """Apache Kafka where it can be had, else the embedded broker."""
    for kind in (KAFKA, EMBEDDED):
        choice = pick(kind, os.environ)
        found = choice if isinstance(choice, Missing) else launch(choice)
        if not isinstance(found, Missing):
            return found
        print(f"no {kind}: {found.reason}")
    sys.exit("no broker to measure on")


def one_run(
    module: str, bootstrap: str, values: list[bytes], key: PrivateKey, auth: dict[str, str]
) -> dict[str, float]:
    """Fresh topics, the same work, a process of its own."""
    prefix = f"bench{secrets.token_hex(3)}."
    with tempfile.TemporaryDirectory() as folder:
        environment = load.deployment(Path(folder), key, bootstrap, prefix)
        load.fill(bootstrap, prefix, values)
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", module, str(len(values))],
            env={**os.environ, **environment, **auth},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    if done.returncode:
        sys.exit(f"{module} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Measure, print, and keep the numbers as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    key = load.rsa_key()
    running, auth = broker(), AuthServer(AuthService({}))
    auth.__enter__()
    try:
        print(f"broker: {running.name}; {options.events} events of RS256, {options.runs} alternating runs each\n")
        rates: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for run in range(options.runs):
            values = load.tokens(options.events, key)
            for name, module in CONTENDERS.items():
                result = one_run(module, running.bootstrap, values, key, auth.environment())
                rates[name].append(result["events"] / result["seconds"])
                print(f"  run {run + 1}  {name:12} {rates[name][-1]:8.0f} events/s   cpu {result['cpu']:.1f} s")
    finally:
        auth.__exit__(None, None, None)
        running.stop()
    report(rates, values, key, running.name)


def report(rates: dict[str, list[float]], values: list[bytes], key: PrivateKey, broker_name: str) -> None:
    """The table, the ratio and the split per step."""
    medians = {name: statistics.median(found) for name, found in rates.items()}
    ratios = [ours / plain for ours, plain in zip(rates["ours"], rates["plain loop"], strict=True)]
    print(f"\n{'':14}{'median':>9}{'min':>9}{'max':>9}  events/s")
    for name, found in rates.items():
        print(f"{name:14}{medians[name]:9.0f}{min(found):9.0f}{max(found):9.0f}")
    ratio = statistics.median(ratios)
    print(f"\nours / plain loop: {ratio:.2f} (median of {len(ratios)} pairs, {min(ratios):.2f} to {max(ratios):.2f})")
    producer = Producer(issuer=load.ISSUER, service=load.ISSUER, topic=load.INBOUND, types=frozenset({"new_match"}))
    split = steps.per_step(values[:2000], steps.key_document(key), producer, time.time())
    print(f"\none event of {len(values[0])} bytes, without a broker (µs, median):")
    for name, microseconds in split.items():
        print(f"  {name:16}{microseconds:8.1f}")
    RESULTS.mkdir(exist_ok=True)
    body = {"broker": broker_name, "events_per_second": rates, "ratio": ratio, "microseconds": split}
    (RESULTS / "latest.json").write_text(json.dumps(body, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()

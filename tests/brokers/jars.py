"""The jars of Apache Kafka, and the Java that runs them: what is needed where there is no Docker engine."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from adapters.processes import without_colour

if TYPE_CHECKING:
    from collections.abc import Mapping

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(__file__).resolve().parents[2] / ".cache"
JAVA_VERSION = 17  # Kafka 4's servers refuse less.
MAVEN_SECONDS = 600.0
TOOL_SECONDS = 60.0


class KafkaUnavailable(RuntimeError):  # noqa: N818 - a state of the machine, named like one
    """Apache Kafka can't be run from its artifacts here; the message is the reason."""


def kafka_version() -> str:
    """The version that tests/brokers/pom.xml asks for."""
    version = ET.parse(POM).getroot().findtext(".//{*}kafka.version")  # noqa: S314 - our own file
    if version is None:
        raise KafkaUnavailable(f"{POM.name} has no property kafka.version")
    return version


def find_java(environ: Mapping[str, str]) -> str:
    """The path of a `java` of version 17 or later, from JAVA_HOME or else from PATH; raises KafkaUnavailable."""
    home = environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin") if home else environ.get("PATH", ""))
    if java is None:
        raise KafkaUnavailable(f"no Java >= {JAVA_VERSION}: no `java` in {'JAVA_HOME' if home else 'PATH'}")
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=TOOL_SECONDS, check=False)  # noqa: S603 - `java`
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KafkaUnavailable(f"no Java >= {JAVA_VERSION}: {error}") from error
    found = re.search(r'version "(\d+)', said.stderr + said.stdout)
    if found is None or int(found[1]) < JAVA_VERSION:
        raise KafkaUnavailable(f"no Java >= {JAVA_VERSION}: it is {found[1] if found else 'of an unknown version'}")
    return java


def find_maven(environ: Mapping[str, str]) -> str:
    """The path of `mvn`; raises KafkaUnavailable."""
    maven = shutil.which("mvn", path=environ.get("PATH", ""))
    if maven is None:
        raise KafkaUnavailable("no Maven: no `mvn` in PATH")
    return maven


@dataclass(frozen=True, slots=True)
class Jars:
    """What one pom asks for, as a directory in the cache. ``proof``: a file that is there if Maven did its work."""

    pom: Path
    library: Path
    proof: str

    def there(self) -> bool:
        """Whether `ensure` would find it in the cache."""
        marker = self.library / ".complete"
        return marker.is_file() and marker.read_text() == self._digest()

    def ensure(self) -> Path:
        """The directory, copied by Maven once per state of the pom; raises KafkaUnavailable.

        It appears complete or not at all, also when two test sessions ask for it at once.
        """
        if self.there():
            return self.library
        CACHE.mkdir(exist_ok=True)
        with TemporaryDirectory(prefix=f"{self.library.name}.", dir=CACHE) as scratch:
            fresh = Path(scratch) / "jars"
            _run_maven(find_maven(os.environ), self.pom, fresh, self.proof)
            (fresh / ".complete").write_text(self._digest())
            if not self.there():
                shutil.rmtree(self.library, ignore_errors=True)
            try:
                fresh.rename(self.library)
            except OSError:
                if not self.there():  # If there are, another session was first.
                    raise
        return self.library

    def _digest(self) -> str:
        return hashlib.sha256(self.pom.read_bytes()).hexdigest()


def kafka_jars() -> Jars:
    """Kafka's own."""
    return Jars(POM, CACHE / f"kafka-{kafka_version()}", "kafka_*.jar")


def have_jars() -> bool:
    """Whether `ensure_jars` would find what it needs in the cache."""
    return kafka_jars().there()


def ensure_jars() -> Path:
    """The directory with Kafka's jars; raises KafkaUnavailable."""
    return kafka_jars().ensure()


def _run_maven(maven: str, pom: Path, target: Path, proof: str) -> None:
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={target}"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command line
            [*command, "-DincludeScope=runtime"], capture_output=True, text=True, timeout=MAVEN_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KafkaUnavailable(f"Maven failed: {error}") from error
    if done.returncode != 0 or not any(target.glob(proof)):
        said = "\n".join(without_colour(done.stdout + done.stderr).splitlines()[-10:])
        raise KafkaUnavailable(f"Maven failed with {done.returncode}; its last lines:\n{said}")

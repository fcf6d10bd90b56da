"""What is missing is named, and REQUIRE makes it an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.brokers.choose import KINDS, required
from tests.producers.tools import TOOLS


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_that_is_not_there_is_named(tool: str, tmp_path: Path) -> None:
    """On a machine with nothing in its PATH."""
    assert f"`{tool}`" in TOOLS[tool].lacking({"PATH": str(tmp_path)})


def test_require_may_name_brokers_and_tools_and_nothing_else() -> None:
    assert required({"REQUIRE": "kafka, node,java,"}, TOOLS) == {"kafka", "node", "java"}
    assert required({}, TOOLS) == frozenset()
    assert not TOOLS.keys() & KINDS.keys()
    with pytest.raises(ValueError, match=r"REQUIRE names cobol; it may name .*node"):
        required({"REQUIRE": "cobol"}, TOOLS)

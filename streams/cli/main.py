"""`comcenter`: one command for producers, operators and CI.

Exit codes: 0 fine, 1 crash, 2 usage, 100 findings, 102 could not load or connect.
"""

from __future__ import annotations

import logging

import typer

from streams.cli import (
    affected_command,
    demo_command,
    dlq_command,
    event_command,
    explain_command,
    flags_command,
    gate_command,
    hold_commands,
    run_command,
    schema_command,
    status_command,
    topics_command,
)

app = typer.Typer(
    name="comcenter",
    help=__doc__,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run_command.run)
app.command("demo")(demo_command.demo)
app.add_typer(event_command.app, name="event")
app.command("explain")(explain_command.explain)
app.command("gate")(gate_command.gate)
app.command("status")(status_command.status)
app.add_typer(flags_command.app, name="flags")
app.command("pause")(hold_commands.pause)
app.command("resume")(hold_commands.resume)
app.command("release")(hold_commands.release)
app.command("recall")(hold_commands.recall)
app.add_typer(dlq_command.app, name="dlq")
template = typer.Typer(help="Templates: who got one.", no_args_is_help=True)
template.callback()(lambda: None)  # so that one command alone has its name, too
template.command("affected")(affected_command.affected)
app.add_typer(template, name="template")
app.add_typer(topics_command.app, name="topics")
app.add_typer(schema_command.app, name="schema")


def main() -> None:
    """The entry point of the installed command. Kafka's client tells of each connection; a tool sums it up itself."""
    logging.getLogger("librdkafka").setLevel(logging.CRITICAL)
    app()


if __name__ == "__main__":
    main()

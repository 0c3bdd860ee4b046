"""The commands. Engines are imported when their command runs, so that `kubeproof --help` starts at once."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from kubeproof.conformance.cli.output import INTERNAL_ERROR, print_result, print_results
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.verdict import exit_code

INVALID_USE = 3
INTERRUPTED = 130


def main() -> None:
    """Entry point. Exit codes: 0 holds, 1 violated, 2 unknown, 3 invalid, 4 internal error."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = INVALID_USE
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        code = INTERRUPTED
    except Exception as error:
        click.echo(f"kubeproof: internal error, please report it: {type(error).__name__}: {error}", err=True)
        code = INTERNAL_ERROR
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="kubeproof")
def cli() -> None:
    """Is the design safe, does the code survive every interleaving, did that run obey the spec?

    \b
    Examples:
      kubeproof check run.ndjson                      judge a recorded run
      kubeproof check --json *.ndjson.gz              one JSON object a file
      kubeproof interaction campaign.txt              etcd-io/raft's datadriven files against the reference
      kubeproof simulate raft --nodes 5 --seed 7 --events 20000 --faults crash,partition,loss
      kubeproof verify                                everything that ships

    Exit codes: 0 holds, 1 violated, 2 unknown (a limit was reached), 3 invalid input, 4 internal error.
    """


def engine_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options that every engine has."""
    for option in (
        click.option(
            "--memory-limit", type=click.FloatRange(min=1), metavar="MB", help="Stop (unknown) above this resident size."
        ),
        click.option(
            "--time-limit", type=click.FloatRange(min=0), metavar="S", help="Give up (unknown) on a subject after S seconds."
        ),
        click.option("--json", "as_json", is_flag=True, help="JSON Lines on stdout, one result object a subject."),
    ):
        command = option(command)
    return command


@cli.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--format", "format_", type=click.Choice(["run", "etcd-raft"]), help="Do not recognise the format by content.")
@engine_options
def check(
    paths: tuple[str, ...], format_: str | None, as_json: bool, time_limit: float | None, memory_limit: float | None
) -> int:
    """Judge recorded runs against the specification.

    PATH is a file (.gz too) or - for standard input. Formats, recognised by content: `run` (kubeproof run v1) and
    `etcd-raft` (the NDJSON that etcd-io/raft writes when built with the tag with_tla).

    \b
    Examples:
      kubeproof check traces/*.ndjson
      zcat run.ndjson.gz | kubeproof check -
    """
    from kubeproof.conformance.trace import check_file

    return print_results(
        "check", paths, lambda path: check_file(path, format_, Limits(time_limit, memory_limit)), as_json=as_json
    )


@cli.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@engine_options
def interaction(paths: tuple[str, ...], as_json: bool, time_limit: float | None, memory_limit: float | None) -> int:
    """Run etcd-io/raft's datadriven files against the reference implementation.

    Interaction, confchange and quorum files are told apart by content; a failing directive is shown as a diff.

    \b
    Example:
      kubeproof interaction conformance/interaction/scenarios/*.txt
    """
    from kubeproof.conformance.interaction import run_file

    return print_results("interaction", paths, lambda path: run_file(path, Limits(time_limit, memory_limit)), as_json=as_json)


@cli.command()
@click.option("--quick", is_flag=True, help="20 simulated seeds instead of 200.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines on stdout, one result object a part.")
def verify(quick: bool, as_json: bool) -> int:
    """Check everything that ships: recorded runs, interaction scenarios, simulated seeds."""
    from kubeproof.conformance.verify import parts

    verdicts = []
    for result in parts(seeds=20 if quick else 200):
        print_result(result, as_json=as_json)
        verdicts.append(result.verdict)
    if not as_json:
        click.echo(f"{len(verdicts)} parts, {sum(v == 'holds' for v in verdicts)} hold")
    return exit_code(verdicts)

"""The commands. Engines are imported when their command runs, so that `kubeproof --help` starts at once."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from kubeproof.conformance.cli.output import (
    INTERNAL_ERROR,
    escape_what_cannot_be_written,
    print_result,
    print_results,
    printable,
)
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.verdict import exit_code

INVALID_USE = 3
INTERRUPTED = 130


def main() -> None:
    """Entry point. Exit codes: 0 holds, 1 violated, 2 unknown, 3 invalid, 4 internal error."""
    escape_what_cannot_be_written()
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
    except OSError as error:
        click.echo(f"kubeproof: cannot write the results: {printable(str(error))}", err=True)
        code = INTERNAL_ERROR
    except Exception as error:
        click.echo(f"kubeproof: internal error, please report it: {type(error).__name__}: {printable(str(error))}", err=True)
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
      kubeproof explore two-phase-commit              every state of a small system
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
@click.argument("system", type=click.Choice(["raft"]))
@click.option("--nodes", type=int, default=3, show_default=True, metavar="N", help="Members at the start.")
@click.option("--seed", type=int, default=1, show_default=True, metavar="S", help="64 bits from which everything random derives.")
@click.option("--events", type=int, default=10_000, show_default=True, metavar="N", help="Stop after so many events.")
@click.option("--faults", default="", metavar="NAME,...", help="What happens to the cluster from outside; docs/simulation.md.")
@click.option("--bug", multiple=True, metavar="NAME", help="Switch on a documented mistake; docs/faults.md. Repeatable.")
@click.option("--option", "options", multiple=True, metavar="NAME[=VALUE]", help="A setting of the members. Repeatable.")
@click.option("--liveness", is_flag=True, help="In the end heal everything and demand progress.")
@click.option("--out", type=click.Path(dir_okay=False), metavar="FILE", help="Write the Run there.")
@engine_options
def simulate(
    system: str,
    nodes: int,
    seed: int,
    events: int,
    faults: str,
    bug: tuple[str, ...],
    options: tuple[str, ...],
    liveness: bool,
    out: str | None,
    as_json: bool,
    time_limit: float | None,
    memory_limit: float | None,
) -> int:
    """Simulate a cluster in a deterministic world, and judge its run while it is made.

    The same arguments give the same Run, byte for byte. A violation is kept: at --out, or else in a temporary folder.

    \b
    Examples:
      kubeproof simulate raft --nodes 5 --seed 7 --events 20000 --faults crash,partition,loss,duplicate,reorder
      kubeproof simulate raft --option pre_vote --option disk_ms=1-5 --faults membership,compaction --liveness
      kubeproof simulate raft --seed 3 --faults crash --bug vote_not_stored --out violated.ndjson
    """
    from kubeproof.conformance.simulation import simulate as simulate_system
    from kubeproof.conformance.simulation.options import read_options

    return print_results(
        "simulation",
        [f"{system} seed {seed}"],
        lambda _: simulate_system(
            system,
            nodes=nodes,
            seed=seed,
            events=events,
            faults=[name for name in faults.split(",") if name],
            bug=bug,
            options=read_options(options),
            liveness=liveness,
            out=out,
            limits=Limits(time_limit, memory_limit),
        ),
        as_json=as_json,
    )


@cli.command()
@click.argument("scenarios", metavar="SCENARIO...", nargs=-1)
@click.option("--list", "list_", is_flag=True, help="List the scenarios that ship.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Another size, bound or option. Repeatable.")
@engine_options
def explore(
    scenarios: tuple[str, ...],
    list_: bool,
    settings: tuple[str, ...],
    as_json: bool,
    time_limit: float | None,
    memory_limit: float | None,
) -> int:
    """Visit every state of a small system, and show a shortest way to one that breaks a property.

    SCENARIO is the name of one that ships, or a YAML file of your own (docs/exploring.md).

    \b
    Examples:
      kubeproof explore --list
      kubeproof explore two-phase-commit --set managers=5
    """
    if list_:
        from kubeproof.conformance.explore.scenario import GROUPS, load, shipped

        for group in GROUPS:
            for path in shipped(group):
                scenario = load(path.stem)
                size = " ".join(f"{key}={value}" for key, value in scenario.size.items())
                click.echo(f"{group:6} {path.stem:40} {scenario.expected.value:9} {scenario.system} {size}")
        return 0
    if not scenarios:
        raise click.UsageError("expected a SCENARIO, or --list")
    from kubeproof.conformance.explore.explore import explore as explore_scenario

    return print_results(
        "exploration",
        scenarios,
        lambda name: explore_scenario(name, settings, Limits(time_limit, memory_limit)),
        as_json=as_json,
    )


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

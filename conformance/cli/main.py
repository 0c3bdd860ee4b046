"""The commands. Engines are imported when their command runs, so that `kubeproof --help` starts at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO

import click

from kubeproof.conformance.cli.output import (
    INTERNAL_ERROR,
    Report,
    coloured,
    escape_what_cannot_be_written,
    lines_for_people,
    printable,
    row,
)
from kubeproof.conformance.limits import Limits, available_processors
from kubeproof.conformance.verdict import InvalidInput, Result

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
      kubeproof prove                                 the specifications, for any number of members
      kubeproof bugs                                  documented bugs are found, and nothing where they are not
      kubeproof replay counterexample.ndjson          does it still happen?
      kubeproof verify                                everything that ships

    Exit codes: 0 holds, 1 violated, 2 unknown (a limit was reached), 3 invalid input, 4 internal error.
    """


def report_options(command: Callable[..., int]) -> Callable[..., int]:
    """How results are wanted; the command is given a Report."""

    @click.option("--json", "as_json", is_flag=True, help="JSON Lines on stdout, one result object a subject.")
    @click.option("--junit", type=click.File("wb", lazy=False), metavar="FILE", help="Write the results there too, as JUnit XML.")
    @wraps(command)
    def reporting(
        as_json: bool,
        junit: BinaryIO | None,
        time_limit: float | None = None,
        memory_limit: float | None = None,
        **arguments: Any,
    ) -> int:
        return command(report=Report(as_json, junit, time_limit, memory_limit), **arguments)

    return reporting


def engine_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options that every engine has."""
    command = report_options(command)
    for option in (
        click.option(
            "--memory-limit", type=click.FloatRange(min=1), metavar="MB", help="Stop (unknown) above this resident size."
        ),
        click.option(
            "--time-limit", type=click.FloatRange(min=0), metavar="S", help="Give up (unknown) on a subject after S seconds."
        ),
    ):
        command = option(command)
    return command


@cli.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--format", "format_", type=click.Choice(["run", "etcd-raft", "etcd-answers"]), help="Do not recognise the format by content."
)
@engine_options
def check(paths: tuple[str, ...], format_: str | None, report: Report) -> int:
    """Judge recorded runs against the specification.

    PATH is a file (.gz too) or - for standard input. Formats, recognised by content: `run` (kubeproof run v1),
    `etcd-raft` (the NDJSON that etcd-io/raft writes when built with the tag with_tla) and `etcd-answers` (requests to an etcd
    server and its answers, judged against the reference store).

    \b
    Examples:
      kubeproof check traces/*.ndjson
      zcat run.ndjson.gz | kubeproof check -
    """
    from kubeproof.conformance.trace import check_file

    return report.judge("check", paths, lambda path, limits: check_file(path, format_, limits))


@cli.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@engine_options
def interaction(paths: tuple[str, ...], report: Report) -> int:
    """Run etcd-io/raft's datadriven files against the reference implementation.

    Interaction, confchange and quorum files are told apart by content; a failing directive is shown as a diff.

    \b
    Example:
      kubeproof interaction conformance/interaction/scenarios/*.txt
    """
    from kubeproof.conformance.interaction import run_file

    return report.judge("interaction", paths, run_file)


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
    report: Report,
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

    return report.judge(
        "simulation",
        [f"{system} seed {seed}"],
        lambda _, limits: simulate_system(
            system,
            nodes=nodes,
            seed=seed,
            events=events,
            faults=[name for name in faults.split(",") if name],
            bug=bug,
            options=read_options(options),
            liveness=liveness,
            out=out,
            limits=limits,
        ),
    )


@cli.command()
@click.argument("scenarios", metavar="SCENARIO...", nargs=-1)
@click.option("--list", "list_", is_flag=True, help="List the scenarios that ship.")
@click.option("--group", type=click.Choice(["quick", "full", "bugs"]), help="All scenarios of a group.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Another size, bound or option. Repeatable.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Search with N threads; all processors, if not given.")
@click.option("--exact", is_flag=True, help="Keep whole states, not only their fingerprints.")
@click.option(
    "--checkpoint",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Save the search there, and resume it.",
)
@click.option("--refines", multiple=True, metavar="SPEC", help="Judge each local step: is it one of SPEC's? Repeatable.")
@click.option("--node", metavar="NODE", help="Explore this implementation: a name, or a command.")
@click.option("--walks", type=click.IntRange(min=1), metavar="N", help="Take N random walks instead: for what is too big.")
@click.option("--seed", type=click.IntRange(min=0), default=1, help="What is drawn in random walks.")
@engine_options
def explore(
    scenarios: tuple[str, ...],
    list_: bool,
    group: str | None,
    settings: tuple[str, ...],
    threads: int | None,
    exact: bool,
    checkpoint: Path | None,
    refines: tuple[str, ...],
    node: str | None,
    walks: int | None,
    seed: int,
    report: Report,
) -> int:
    """Visit every state of a small system, and show a shortest way to one that breaks a property.

    SCENARIO is the name of one that ships, or a YAML file of your own (docs/exploring.md).

    \b
    Examples:
      kubeproof explore --list
      kubeproof explore two-phase-commit --set managers=5
      kubeproof explore raft-crash --refines raft
      kubeproof explore raft-elections --node "python my_raft.py"
    """
    from kubeproof.conformance.scenarios.scenario import GROUPS, load, shipped

    if list_:
        for each in (group,) if group else GROUPS:
            for path in shipped(each):
                scenario = load(path.stem)
                size = " ".join(f"{key}={value}" for key, value in scenario.size.items() if value)
                click.echo(f"{each:6} {path.stem:48} {scenario.expected.value:9} {scenario.system} {size}")
        return 0
    from kubeproof.conformance.bugs import left_out

    for path in shipped(group) if group else ():
        if node is None and (why := left_out(load(path.stem))):
            click.echo(f"left out: {path.stem}: {why}", err=True)
        else:
            scenarios = (*scenarios, path.stem)
    if not scenarios:
        raise click.UsageError("expected a SCENARIO, --group or --list")
    if walks and (exact or checkpoint or refines):
        raise click.UsageError("expected no --exact, --checkpoint or --refines with --walks, which visit few states")
    if checkpoint is not None and len(scenarios) > 1:
        raise click.UsageError("expected one SCENARIO with --checkpoint")
    from kubeproof.conformance.cli.exploration import exploration_lines
    from kubeproof.conformance.explore.progress import progress_line
    from kubeproof.conformance.scenarios.explore import How
    from kubeproof.conformance.scenarios.explore import explore as explore_scenario
    from kubeproof.conformance.scenarios.walk import walk

    def judge(name: str, limits: Limits) -> Result:
        with progress_line() as show:
            threads_ = threads or available_processors()
            how = How(threads_, exact, checkpoint, progress=show, keeps_steps=True, refines=refines, node=node)
            return explore_scenario(name, settings, limits, how)

    def take_walks(name: str, limits: Limits) -> Result:
        return walk(name, load(name, settings, node), walks or 0, seed, limits)

    if walks:
        return report.judge("exploration", scenarios, take_walks, exploration_lines)

    return report.judge("exploration", scenarios, judge, exploration_lines)


@cli.command()
@click.argument("scenarios", metavar="SCENARIO...", nargs=-1, required=True)
@click.option("--node", required=True, metavar="NODE", help="The implementation to compare with: a name, or a command.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Another size, bound or option. Repeatable.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Search with N threads; all processors, if not given.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Compare N steps of random ways instead, without bounds.")
@click.option("--seed", type=click.IntRange(min=0), default=1, help="What is drawn in random ways.")
@engine_options
def compare(
    scenarios: tuple[str, ...],
    node: str,
    settings: tuple[str, ...],
    threads: int | None,
    steps: int | None,
    seed: int,
    report: Report,
) -> int:
    """Compare an implementation of Raft with the reference, in every local state that a scenario reaches.

    SCENARIO is one of the system raft. The implementation must tell of itself in the reference's words (docs/comparing.md).

    \b
    Examples:
      kubeproof compare raft-elections raft-crash --node etcd-raft
      kubeproof compare raft-membership --node etcd-raft --steps 1000000
    """
    from kubeproof.conformance.cli.comparison import comparison_lines
    from kubeproof.conformance.explore.progress import progress_line
    from kubeproof.conformance.nodes.compare import compare as compare_all
    from kubeproof.conformance.nodes.compare import compare_at_random

    def judge(name: str, limits: Limits) -> Result:
        if steps:
            return compare_at_random(name, settings, node, steps, seed, limits)
        with progress_line() as show:
            return compare_all(name, settings, node, limits, threads or available_processors(), show)

    return report.judge("comparison", scenarios, judge, comparison_lines)


@cli.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--node", metavar="NODE", help="Whose implementation is asked: needed where it is a program of your own.")
@engine_options
def replay(runs: tuple[str, ...], node: str | None, report: Report) -> int:
    """Make Runs of the simulator or the explorer again, and tell whether the same happens, event for event.

    RUN is a file (.gz too) or - for standard input. The verdict is about the repetition: a counterexample that happens again
    holds.

    \b
    Example:
      kubeproof replay traces/*.ndjson
    """
    from kubeproof.conformance.replay import replay as replay_run

    return report.judge("replay", runs, lambda run, limits: replay_run(run, limits, node))


@cli.command()
@click.argument("ids", metavar="ID...", nargs=-1)
@click.option("--list", "list_", is_flag=True, help="List the bugs: reference, what makes it, the property that must break.")
@engine_options
def bugs(ids: tuple[str, ...], list_: bool, report: Report) -> int:
    """Explore each documented bug: with it its property must break, without it everything must hold.

    Without ID all that ship, which are scenarios of their own (conformance/scenarios/bugs).

    \b
    Examples:
      kubeproof bugs --list
      kubeproof bugs raft-vote-granted-twice
    """
    from kubeproof.conformance.bugs import fault, judge, left_out, load_bugs, reference

    scenarios = load_bugs()
    table = [(id_, reference(each), fault(each), str(each.property)) for id_, each in scenarios.items()]
    name, source, cause, broken = (max(map(len, column)) for column in zip(*table, strict=True))
    if list_:
        for cells in table:
            click.echo(row(*zip(cells, (name, source, cause, broken), strict=True)))
        return 0

    def lines(result: Result) -> list[str]:
        if "steps" not in result.details:
            return lines_for_people(result)
        found = str(result.details["reference"]), str(result.property), result.details["steps"], result.details["states"]
        cells = row((result.subject, name), *zip(found, (source, broken, 5, 11), strict=True), (f"{result.seconds:.1f} s", 0))
        return [f"{coloured(result.verdict)}  {cells}", *([f"          {printable(result.message)}"] if result.message else [])]

    if not report.as_json:
        heads = ("bug", name), ("reference", source), ("property", broken), ("steps", 5), ("     states", 11), ("seconds", 0)
        click.echo(" " * 10 + row(*heads))
    chosen = list(ids)
    for id_, scenario in () if ids else scenarios.items():
        if (why := left_out(scenario)) is None:
            chosen.append(id_)
        else:
            click.echo(f"left out: {id_}: {why}", err=True)
    return report.judge("bug", chosen, judge, lines)


@cli.command()
@click.argument("specs", metavar="SPEC...", nargs=-1)
@click.option("--property", "property_", metavar="NAME", help="Only this property, and what its proof rests on.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Use N processes; as many as processors, if not given.")
@click.option("--mutants", is_flag=True, help="Judge wrong protocols instead: each must break what it is expected to.")
@click.option("--explain", is_flag=True, help="Say what each property means and rests on, and show how mutants break it.")
@click.option("--second-opinion", is_flag=True, help="Let cvc5 check every obligation, too.")
@click.option("--update-hints", is_flag=True, help="Prove without hints, and keep what the proofs have used.")
@engine_options
def prove(
    specs: tuple[str, ...],
    property_: str | None,
    jobs: int | None,
    mutants: bool,
    explain: bool,
    second_opinion: bool,
    update_hints: bool,
    report: Report,
) -> int:
    """Prove the specifications, for any number of members, terms and writes.

    SPEC is the name of one that ships; all of them, if none is given. With --mutants the exit code is 0 if every verdict is the
    expected one.

    \b
    Examples:
      kubeproof prove
      kubeproof prove raft --property leader_completeness --explain
      kubeproof prove --mutants
    """
    from kubeproof.conformance.cli.proofs import mutant_lines, progress_line, proof_lines
    from kubeproof.conformance.proofs.mutants import as_expected, judge_mutants
    from kubeproof.conformance.proofs.prove import load_hints
    from kubeproof.conformance.proofs.prove import prove as prove_specs
    from kubeproof.conformance.proofs.second_opinion import satisfiable, solver_name
    from kubeproof.conformance.proofs.work import How
    from kubeproof.models import catalogue

    if mutants and (property_ or second_opinion):
        raise click.UsageError("--mutants goes with neither --property nor --second-opinion")
    if second_opinion:
        try:
            solver_name()
        except InvalidInput as error:
            raise click.UsageError(str(error)) from None
    names = specs or catalogue.NAMES
    lines = mutant_lines if mutants else proof_lines
    results: list[Result] = []
    with progress_line() as show:
        hints = {} if update_hints and not mutants else load_hints(set(names) & set(catalogue.NAMES))
        opinion = satisfiable if second_opinion else None
        how = How(jobs or available_processors(), hints, update_hints, opinion, show)
        limits = Limits(report.time_limit, report.memory_limit)
        for result in judge_mutants(names, how, limits) if mutants else prove_specs(names, property_, how, limits):
            report.print(result, lambda each: lines(each, explain))
            results.append(result)
    code = report.end(results)
    return 0 if mutants and all(map(as_expected, results)) else code


@cli.command()
@click.argument("name", metavar="SPEC")
def spec(name: str) -> int:
    """Print a specification readably: state, actions with guards and updates, properties.

    \b
    Example:
      kubeproof spec raft
    """
    from kubeproof.conformance.proofs.describe import described
    from kubeproof.conformance.proofs.work import specification

    try:
        click.echo("\n".join(described(specification(name))))
    except InvalidInput as error:
        raise click.UsageError(str(error)) from None
    return 0


@cli.group()
def record() -> None:
    """Record what a real system does under faults."""


@record.command("etcd")
@click.option("--out", type=click.File("wb", lazy=False), metavar="FILE", required=True, help="Where to write.")
@click.option("--etcd", "binary", metavar="BINARY", help="The etcd to start; the installed one, if none is named.")
@click.option("--members", type=click.IntRange(1, 9), default=1, show_default=True, metavar="N")
@click.option("--clients", type=click.IntRange(1, 100), default=1, show_default=True, metavar="N")
@click.option("--operations", type=click.IntRange(min=1), default=1000, show_default=True, metavar="N", help="Of all clients.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is asked, and of the faults.")
@click.option("--faults", default="", metavar="LIST", help="Of kill, restart, pause, leader; separated by commas.")
@click.option("--format", "format_", type=click.Choice(["run", "etcd-answers"]), default="run", show_default=True)
@click.option("--scenario", metavar="NAME", help="Re-confirm a finding instead (docs/findings); exit code 1 if it does not show.")
def record_etcd(
    out: BinaryIO,
    binary: str | None,
    members: int,
    clients: int,
    operations: int,
    seed: int,
    faults: str,
    format_: str,
    scenario: str | None,
) -> int:
    """Start an etcd on loopback, ask it, do faults to it, and write down what happens.

    What clients and watchers ask and hear becomes a Run; with --format etcd-answers, of one client of one member without faults,
    recorded answers, which `kubeproof check` judges. Processes and data are removed in the end.

    \b
    Examples:
      kubeproof record etcd --out run.ndjson --members 3 --clients 4 --faults kill,pause,leader
      kubeproof record etcd --out answers.ndjson --format etcd-answers
      kubeproof record etcd --out case.ndjson --scenario two-changes-open-range
    """
    from kubeproof.conformance.adapters.etcd.command import CannotBeRecorded, record
    from kubeproof.conformance.adapters.etcd.record import Plan

    plan = Plan(members, clients, operations, seed, tuple(filter(None, faults.split(","))))
    try:
        done = record(binary, plan, format_, scenario, out)
    except CannotBeRecorded as problem:
        raise click.ClickException(str(problem)) from None
    click.echo(f"{printable(out.name)}: {done.text}")
    return 0 if done.as_expected else 1


@cli.command()
@click.option("--quick", is_flag=True, help="20 simulated seeds instead of 200.")
@report_options
def verify(quick: bool, report: Report) -> int:
    """Check everything that ships: recorded runs, proofs, interaction scenarios, explored scenarios, simulated seeds."""
    from kubeproof.conformance.verify import parts

    results: list[Result] = []
    for result in parts(seeds=20 if quick else 200):
        report.print(result)
        results.append(result)
    if not report.as_json:
        click.echo(f"{len(results)} parts, {sum(result.verdict == 'holds' for result in results)} hold")
    return report.end(results)

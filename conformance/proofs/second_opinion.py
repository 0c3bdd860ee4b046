"""cvc5 as a second solver: it shares the translation with Z3, and nothing else."""

from __future__ import annotations

from importlib.util import find_spec

from kubeproof.conformance.verdict import InvalidInput

HOW_TO_GET_IT = "the second opinion needs cvc5: pip install 'kubeproof[second-opinion]'"


def solver_name() -> str:
    """cvc5 and its version. Raises InvalidInput where it is not installed."""
    if find_spec("cvc5") is None:
        raise InvalidInput("--second-opinion", None, HOW_TO_GET_IT)
    import cvc5

    return f"cvc5 {cvc5.__version__}"


def satisfiable(script: str, limit_s: float) -> bool | None:
    """Whether the SMT-LIB script is satisfiable; None if cvc5 does not know within the limit. What is no SMT-LIB is an error."""
    import cvc5

    manager = cvc5.TermManager()
    solver = cvc5.Solver(manager)
    solver.setOption("tlimit-per", str(int(limit_s * 1000)))
    solver.setOption("full-saturate-quant", "true")
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, script, "obligation")
    symbols = parser.getSymbolManager()
    answer = "unknown"
    while not (command := parser.nextCommand()).isNull():
        answer = str(command.invoke(solver, symbols)).strip() or answer
    return {"sat": True, "unsat": False}.get(answer)

"""The project's checks, each by one name: `nox -s NAME`, or `nox -l` for the list.

Most run in the environment that nox is installed in (`pip install -e ".[dev]"`). `packages`,
`lowest` and `audit` make environments of their own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "layers", "spelling", "workflows", "docs", "tests"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
USES_DEPENDENCIES = [
    "tests/rest",
    "tests/auth",
    "tests/compat",
    "tests/fleet",
    "tests/rollout/test_rollout.py",
]
"""The tests of what uses the run-time dependencies."""


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format with ruff."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types: the package with mypy, what users write with pyright."""
    session.run("mypy")
    session.run("pyright", "tests/typing")


@nox.session
def layers(session: nox.Session) -> None:
    """Check that imports run downwards."""
    session.run("lint-imports", "--config", "setup.cfg", "--no-logo")


@nox.session
def spelling(session: nox.Session) -> None:
    """Check spelling with codespell."""
    session.run("codespell")


@nox.session
def workflows(session: nox.Session) -> None:
    """Check the GitHub workflows: their schema, and what an attacker could use."""
    files = [path.as_posix() for path in sorted(Path(".github/workflows").glob("*.yml"))]
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    session.run(
        "check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml"
    )
    session.run("zizmor", "--offline", "--pedantic", "--no-progress", ".github")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; warnings are errors."""
    session.run(
        "sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html"
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Run the default tests; arguments after `--` go to pytest."""
    session.run("pytest", "-q", "-n", "auto", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the default tests, and compare the coverage of each package with its floor."""
    session.run("pytest", "-q", "-n", "auto", "--cov", "--cov-report=", *session.posargs)
    session.run("python", ".ci/coverage_floors.py")


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that take longer."""
    session.run("pytest", "-q", "-n", "auto", "-m", "slow and not exhaustive", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and the source distribution, the same bytes for the same commit."""
    commit_time = session.run("git", "log", "-1", "--format=%ct", external=True, silent=True)
    env = {"SOURCE_DATE_EPOCH": str(commit_time).strip()}
    session.run("python", "-m", "build", "--outdir", "dist", ".", env=env, silent=True)
    session.run("twine", "check", "--strict", *(path.as_posix() for path in distributions("*")))


@nox.session(venv_backend="virtualenv", python=PYTHONS)
def packages(session: nox.Session) -> None:
    """Install the wheel, then the source distribution, by themselves and use them."""
    check = str(Path(".ci/installed.py").resolve())
    for distribution in [*distributions("*.whl"), *distributions("*.tar.gz")]:
        session.install("--force-reinstall", str(distribution.resolve()))
        with session.chdir(tempfile.gettempdir()):
            session.run("python", "-W", "error", check)
            session.run("azurerm-lite", "rollout", "--help", silent=True)


@nox.session(venv_backend="virtualenv")
def lowest(session: nox.Session) -> None:
    """Test what uses the run-time dependencies with their lowest allowed versions."""
    session.install("-c", lowest_versions(session), "-e", ".[test]")
    session.run("pytest", "-q", "-n", "auto", *USES_DEPENDENCIES)


@nox.session(venv_backend="virtualenv")
def audit(session: nox.Session) -> None:
    """Look the run-time dependencies up in the advisories: the lowest versions, and the newest."""
    session.install("pip-audit")
    session.run(
        "pip-audit", "--strict", "--progress-spinner", "off", "-r", lowest_versions(session)
    )
    session.run("pip-audit", "--strict", "--progress-spinner", "off", ".")


def distributions(pattern: str) -> list[Path]:
    """Return what `build` has built."""
    found = sorted(Path("dist").glob(pattern))
    if not found:
        raise SystemExit("dist is empty: run nox -s build first")
    return found


def lowest_versions(session: nox.Session) -> str:
    """Write the lowest allowed versions as constraints for pip, and return the file's path."""
    file = Path(session.create_tmp()) / "lowest.txt"
    lines = session.run("python", ".ci/minimum.py", silent=True)
    file.write_text(str(lines), encoding="utf-8")
    return str(file)

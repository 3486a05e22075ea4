"""The blocks and sessions of README and docs, and how to run them."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import azurerm_lite.sandbox
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model.resources import SUBSCRIPTION
from support.cli import environment
from support.cli import run as run_here
from support.clock import Clock

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]

_COMPUTE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/sandbox/providers/Microsoft.Compute"
CHANGING = ("rollout", "rollback", "upgrade", "bump", "follow", "fleet")
"""Commands that ask for confirmation."""

# Scale sets that pages use in addition to the demo sets; `web` can be in any resource group.
FLOATING = "Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2"
SETS: dict[str, dict[str, Any]] = {
    "web": {},
    "zonal": {"zones": ["1", "2", "3"], "instances": 9},
    "gallery": {"image": f"{_COMPUTE}/galleries/demo/images/web/versions/1.0.0", "instances": 5},
    "floating": {"image": f"{FLOATING}:latest", "instances": 5},
    "flex": {"orchestration": "Flexible", "instances": 6},
    "custom": {"image": f"{_COMPUTE}/images/web-1", "instances": 5},
}


class Block(NamedTuple):
    """A fenced block: page, language, number per language from 0, and text."""

    page: Path
    language: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.language}:{self.number}"


def blocks(*languages: str) -> Iterator[Block]:
    """Yield the blocks of all pages, optionally only in some languages."""
    for page in PAGES:
        counted: dict[str, int] = {}
        found = re.findall(
            r"^( *)```(\S*)(?: .*)?\n(.*?)^\1```$",
            page.read_text("utf-8"),
            re.MULTILINE | re.DOTALL,
        )
        for _, language, text in found:
            number = counted[language] = counted.get(language, -1) + 1
            if not languages or language in languages:
                yield Block(page, language, number, textwrap.dedent(text))


def steady(text: str) -> str:
    """Return output without times and durations, which differ from run to run."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "DAY TIME UTC", text)
    text = re.sub(r"^\d\d:\d\d:\d\d(?=  )", "TIME", text, flags=re.MULTILINE)
    text = re.sub(r"\b(in|for) \d+ (?:s|min|h)(?: \d+ (?:s|min))?\b", r"\1 N s", text)
    return re.sub(r"\d+ minutes from now", "N minutes from now", text)


def session(text: str) -> list[tuple[str, str]]:
    """Return the inputs and outputs of a session at the Python prompt."""
    entries = re.findall(r"^>>> (.*\n(?:\.\.\..*\n)*)((?:(?!>>> ).*\n)*)", text, re.MULTILINE)
    return [
        (re.sub(r"^\.\.\. ?", "", source, flags=re.MULTILINE), printed)
        for source, printed in entries
    ]


def typed(source: str, names: dict[str, Any]) -> str:
    """Run an input of the Python prompt; return its output."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "<prompt>", "single"), names)
    return printed.getvalue()


def commands(block: Block) -> list[tuple[str, str]]:
    """Return the commands with outputs of a console session, or the commands of a workflow."""
    if block.language == "yaml":
        ours = r"(?:run: |- |^ *)((?:azurerm-lite|python3 -m azurerm_lite) .*)$"
        return [(line, "") for line in re.findall(ours, block.text, re.MULTILINE)]
    parts = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def run(
    command: str, sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str]:
    """Run a command of a page on the sandbox; return its exit status and its output.

    azurerm-lite and the examples run in this process, on the test clock, and confirmations are
    skipped. Other commands run in a child process without input.
    """
    command = command.replace("python3 -m azurerm_lite ", "azurerm-lite ")
    words = [each.removeprefix(".venv/bin/") for each in shlex.split(command)]
    with monkeypatch.context() as patch:
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            patch.setenv(name, value)
            if name == "AZURE_RM_ENDPOINT":
                for other in (
                    "AZURE_AUTH_ENDPOINT",
                    "AZURE_AUTHORITY_HOST",
                    "AZURE_RESOURCE_ENDPOINT",
                ):
                    patch.delenv(other)
        if words[0] == "python" and words[1].startswith("examples/"):
            add(sandbox, words[-1], "myrg")
            patch.setattr(sys, "argv", words[1:])
            return _example(words[1])
        if words[0] != "azurerm-lite" or words[1] == "sandbox":
            return _child(words)
        _, name, *arguments = words
        if "-r" in arguments:
            add(sandbox, arguments[arguments.index("-s") + 1], arguments[arguments.index("-r") + 1])
            arguments += ["-y"] if name in CHANGING else []
        patch.setattr(
            azurerm_lite.sandbox, "Sandbox", partial(Sandbox, upgrade_seconds=60, clock=clock)
        )
        done = run_here(name, *arguments)
        return done.returncode, done.stdout


def _example(path: str) -> tuple[int, str]:
    """Run an example in this process, on the test clock."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path(str(ROOT / path), run_name="__main__")
    return 0, printed.getvalue()


def _child(words: list[str]) -> tuple[int, str]:
    """Run a program in a child process, with the current Python and tree."""
    programs = {"python": [sys.executable], "azurerm-lite": [sys.executable, "-m", "azurerm_lite"]}
    command = [part for word in words for part in programs.get(word, [word])]
    command = [str(ROOT / part) if part.startswith("examples/") else part for part in command]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(),
    )
    return done.returncode, done.stdout


def add(sandbox: Sandbox, name: str, resource_group: str) -> None:
    """Add a scale set of a page, unless it exists."""
    if (resource_group.lower(), name) not in sandbox.cloud.sets:
        sandbox.add_vmss(name, resource_group=resource_group, **SETS[name])
        for instance_id in sandbox.cloud.scale_set(resource_group, name).instances:
            sandbox.set_command_output(name, instance_id, "PATCHED", resource_group=resource_group)
        if name == "floating":
            sandbox.publish(f"{FLOATING}:22.04.202512010")

# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""`kojo-bluegreen` on an edge: for the operator who can't wait for Ansible."""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import os
import pwd
import sys
from collections.abc import Mapping
from pathlib import Path

from .daemon import Misconfigured, Settings, run
from .decision import Decision
from .switch import Switched, switch
from .together import Answers, Ask, NotSwitched, each, faults, newest, survey
from .wire import Peer, ask_here

SETTINGS = "/etc/kojo-bluegreen.json"
SECONDS = 12.0
DONE, AGAINST, WRONG = 0, 1, 2
EXIT_CODES = "exit codes: 0 done; 1 the edges differ, or the decision that held holds on; 2 wrong arguments or settings"


def edges(settings: Settings, seconds: float = SECONDS) -> dict[str, Ask]:
    """All edges of the plant, this one first, each with the way to ask it; who doesn't answer in SECONDS is away."""
    context = settings.certificates.client()
    ways: dict[str, Ask] = {settings.name: functools.partial(ask_here, settings.socket, seconds)}
    for name, address in settings.peers.items():
        ways[name] = functools.partial(Peer(name, address, settings.port).ask, context, seconds)
    return ways


def back(held: Decision) -> Decision:
    """All to the active colour while a canary runs; otherwise to the other one."""
    return held.next(held.active if held.canary else held.idle)


def picture(states: Answers) -> str:
    """A line an edge."""
    lines = []
    for name, state in states.items():
        if isinstance(state, Exception):
            lines.append(f"{name:<12} cannot be asked: {state}")
            continue
        held, lock = Decision(**state["recorded"]), state["lock"]
        told = [f"{name:<12} {held.active:<6} canary {held.canary:>3} %  generation {held.generation}"]
        if state["serving"] != state["recorded"]:
            told.append(f"but HAProxy serves by {state['serving'] or state['fault']}")
        if lock:
            told.append(f"locked by {lock['owner']} for {lock['expires'] - state['time']:.0f} s")
        if mark := state.get("held"):  # an agent of an earlier version doesn't tell it
            told.append(f"held by {mark['who']}: {mark['why']}")
        lines.append("  ".join(told))
    return "\n".join(lines)


def agreed(states: Answers) -> bool:
    told = [(state["recorded"], state["serving"]) if isinstance(state, dict) else None for state in states.values()]
    return None not in told and all(one == told[0] and one[0] == one[1] for one in told if one)


def told(switched: Switched) -> str:
    new = switched.new
    missing = f"; {', '.join(switched.missing)} will take it over" if switched.missing else ""
    return (
        f"{new.active} serves (generation {new.generation}, {switched.skew * 1000:.1f} ms between the edges){missing}"
    )


def person() -> str:
    """Who calls: behind sudo whoever called that."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name


async def switch_back(settings: Settings, reason: str, force: bool) -> Switched:
    """Raises NotSwitched, also when an edge sees no server up of the colour that would serve."""
    ways = edges(settings)
    target = back(newest(await survey(ways))).active
    if not force and (against := await down(ways, target)):
        raise NotSwitched(f"{against}, so nothing was switched; --force switches all the same")
    return await switch(ways, f"{person()}@{settings.name}", reason, back, all_edges=False)


async def down(ways: Mapping[str, Ask], colour: str) -> str:
    """Which edges see no server of COLOUR up, in words; an empty string when all that answer see one. Of a colour that
    has just gone down, one edge may know before the other."""
    answers = await each(ways, lambda _: {"do": "servers", "colour": colour})
    told = {name: answer["servers"] for name, answer in answers.items() if isinstance(answer, dict)}
    if not told:
        return f"no edge says whether a server of {colour} is up: {faults(answers)}"
    seen_down = sorted(name for name, servers in told.items() if not any(server["up"] for server in servers))
    return f"{', '.join(seen_down)}: no server of {colour} is up" if seen_down else ""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("kojo-bluegreen", description="Which colour serves.", epilog=EXIT_CODES)
    parser.add_argument("--settings", type=Path, default=Path(SETTINGS), help="the file of settings (%(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    status = commands.add_parser("status", help="what holds on every edge", epilog=EXIT_CODES)
    status.add_argument("--json", action="store_true", help="as JSON, for programs")
    switch_back = commands.add_parser("switch-back", help="back to the colour that served before", epilog=EXIT_CODES)
    switch_back.add_argument("--reason", required=True, help="why; it goes on record")
    switch_back.add_argument("--force", action="store_true", help="even if an edge sees no server of that colour up")
    commands.add_parser("agent", help="what the unit runs", epilog=EXIT_CODES)
    return parser


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        settings = Settings.read(options.settings)
    except Misconfigured as error:
        print(f"kojo-bluegreen: {error}", file=sys.stderr)
        return WRONG
    if options.command == "agent":
        asyncio.run(run(settings))
        return DONE
    if options.command == "status":
        states = asyncio.run(survey(edges(settings)))
        shown = {name: str(state) if isinstance(state, Exception) else state for name, state in states.items()}
        print(json.dumps(shown) if options.json else picture(states))
        return DONE if agreed(states) else AGAINST
    try:
        switched = asyncio.run(switch_back(settings, options.reason, options.force))
    except NotSwitched as error:
        print(f"kojo-bluegreen: {error}", file=sys.stderr)
        return AGAINST
    print(told(switched))
    return DONE


if __name__ == "__main__":
    sys.exit(main())

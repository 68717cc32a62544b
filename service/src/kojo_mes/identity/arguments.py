"""The command line of `kojo-mes user`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from kojo_mes.identity.roles import JobRole

EXIT_CODES = (
    "exit codes: 0 done, 1 failed, 2 wrong settings or arguments, 4 there is no such person or role, "
    "5 refused by a rule (the message names it)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXIT_CODES
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")

    def add(name: str, text: str, *, of_one: bool = True) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=EXIT_CODES)
        if of_one:
            verb.add_argument("user_name", help="as the person logs in")
        return verb

    verb = add("add", "add a person; prints the one-time token with which the person sets a password")
    verb.add_argument("--name", required=True, help="as signatures print it")
    verb.add_argument("--oidc-subject", help="`sub` of the person at the OpenID provider")
    verb.add_argument(
        "--role", type=JobRole, action="append", default=[], choices=list(JobRole), help="may be repeated"
    )
    _qualification(verb)
    verb = add("grant", "grant a job role; an administrator has no other")
    verb.add_argument("role", type=JobRole, choices=list(JobRole))
    _qualification(verb)
    verb = add("revoke", "revoke a job role")
    verb.add_argument("role", type=JobRole, choices=list(JobRole))
    add("reset", "end the password; prints a one-time token with which the person sets the next one")
    verb = add("deactivate", "deactivate a person, for ever; the user name is never used again")
    verb.add_argument("--reason", required=True)
    verb = add("list", "list people and their roles", of_one=False)
    verb.add_argument("--json", action="store_true", help="one JSON object a line")


def _qualification(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--qualified-until", type=_day, metavar="YYYY-MM-DD", help="record a qualification for the role, up to this day"
    )
    verb.add_argument("--evidence", help="what shows it, like the number of a training record")


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day, like 2027-03-31") from None

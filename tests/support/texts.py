"""
A small sound policy, and how to put something wrong into it.

In the texts of the tests `§` stands before the character at which the fault must point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from runner.errors import PolicyErrors
from runner.policy.model import Policy
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron

HEAD = """\
version: 1
name: payroll
chain: base-sepolia
wallet: sandbox
"""
BOOKS = """\
tokens:
  usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}
  dai: {decimals: 18, address: {base-sepolia: 0x00000000000000000000000000000000000000da}}
contacts:
  alice: 0x00000000000000000000000000000000000a11ce
  vault: 0x00000000000000000000000000000000000000fa
groups: {staff: [alice]}
"""
ACCOUNTS = "accounts:\n  treasury:\n"
ACCOUNT = "    owner: treasury-owner\n"
SESSIONS = "sessions:\n  salaries:\n"
SESSION = "    account: treasury\n    lifetime: 45d\n"
SCHEDULES = "schedules:\n  hosting:\n"
SCHEDULE = "    session: salaries\n    every: 1w\n    pay: {alice: 10 usdc}\n"


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.strip("\n").split("\n"))


class Texts:
    """Builds policies around a piece of text, and reads them."""

    def whole(
        self,
        *,
        head: str = HEAD,
        books: str = BOOKS,
        account: str = ACCOUNT,
        session: str = SESSION,
        schedule: str = SCHEDULE,
        end: str = "",
    ) -> str:
        return (
            head
            + books
            + (ACCOUNTS + account)
            + (SESSIONS + session)
            + (SCHEDULES + schedule)
            + end
        )

    def account(self, text: str) -> str:
        return self.whole(account=ACCOUNT + _indented(text))

    def session(self, text: str) -> str:
        return self.whole(session=SESSION + _indented(text))

    def schedule(self, text: str) -> str:
        return self.whole(schedule=SCHEDULE + _indented(text))

    def body(self, text: str) -> str:
        """The whole body of the schedule."""
        return self.whole(schedule=_indented(text))

    def calls(self, text: str) -> str:
        lines = "".join(f"  {line}\n" for line in text.strip("\n").split("\n"))
        return self.body(f"session: salaries\nevery: 1w\ncalls:\n{lines}")

    def top(self, text: str) -> str:
        return self.whole(end=text)

    def books(self, text: str) -> str:
        return self.whole(books=text)

    def trigger(self, text: str) -> str:
        """What stands between the session and a payment of the schedule."""
        return self.body(f"session: salaries\n{text}\npay: {{alice: 1 usdc}}")

    def limited(self, text: str) -> str:
        """The calls of a schedule with limits per day."""
        limits = "limits: {per_day: [100 usdc, 1 native]}"
        return self.body(f"session: salaries\nevery: 1w\n{limits}\n{text}")

    def amount(self, text: str) -> str:
        return self.calls(f"- pay:\n    alice: {text}")

    def receiver(self, text: str) -> str:
        return self.calls(f"- pay:\n    to: {text}\n    amount: 1 usdc")

    def anchored(self, text: str) -> str:
        """More schedules, below one that is called `&h`."""
        return self.whole(end=text).replace("  hosting:\n", "  hosting: &h\n")

    def instead(self, text: str) -> str:
        """The whole policy with something else in one place: `old ⇒ new`."""
        old, _, new = text.partition(" ⇒ ")
        whole = self.whole()
        assert old in whole
        return whole.replace(old, new, 1)

    def file(self, text: str) -> str:
        return text

    def read(
        self, text: str | bytes, environment: Mapping[str, str] | None = None, **more: Any
    ) -> Policy:
        return parse_policy(
            text, "p.yaml", environment=environment or {}, check_cron=check_cron, **more
        )

    def faults(
        self, text: str | bytes, environment: Mapping[str, str] | None = None, **more: Any
    ) -> list[Any]:
        try:
            self.read(text, environment, **more)
        except PolicyErrors as errors:
            return [fault for fault in errors.faults if fault.severity == "error"]
        return []

    def found(self, text: str, environment: Mapping[str, str] | None = None) -> list[str]:
        """Codes with line and column, as `P030 5:3`."""
        return [
            f"{fault.code} {fault.where.line}:{fault.where.column}"
            for fault in self.faults(text.replace("§", ""), environment)
        ]

    def expected(self, codes: str, text: str) -> list[str]:
        """The same for the codes of a text's faults, each at its `§`."""
        found = []
        for code, part in zip(codes.split(), self._before(text), strict=True):
            found.append(f"{code} {part.count(chr(10)) + 1}:{len(part) - part.rfind(chr(10))}")
        return found

    def _before(self, text: str) -> Iterator[str]:
        parts = text.split("§")
        return accumulate(parts[:-1])

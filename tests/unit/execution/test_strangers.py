"""Which session keys on an account are not ours, and what becomes of them (X18, X19)."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from runner.adapters.memory.ledger import MemoryLedger
from runner.errors import AnswerLost, Mark, UsageError
from runner.ethereum.address import Address
from runner.ethereum.permissions import GasLimit, Root
from runner.execution.strangers import Lookout, strangers
from runner.ports import Validation
from runner.records import GrantState, NewGrant

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
ALICE = Address("0x00000000000000000000000000000000000A11cE")
OURS = NewGrant(
    session="p/key",
    chain=84532,
    account=ALICE,
    wallet="w",
    key_address=ALICE,
    permissions=(GasLimit(0),),
    scope="",
    requested_at=NOW,
    expires_at=NOW + timedelta(days=45),
    next_renewal_at=NOW + timedelta(days=30),
)


class Chain:
    """Holds what is installed; asked for more, it counts."""

    def __init__(self, *installed, lost=False):
        self.installed, self.lost, self.asked = set(installed), lost, []

    async def head(self):
        if self.lost:
            raise AnswerLost("no answer")
        return SimpleNamespace(number=7)

    async def validation(self, account, entity_id, *, block):
        assert (account, block) == (ALICE, 7)
        self.asked.append(entity_id)
        return Validation(1 if entity_id in self.installed else 0, (), ())


@dataclass
class Copies:
    at: datetime | None = None

    async def copied_at(self):
        return self.at


class Telemetry:
    def __init__(self):
        self.told = []

    def emit(self, event, **fields):
        self.told.append((event, fields))


def account(chain, *, sandbox=False):
    clock = SimpleNamespace(now=lambda: NOW)
    venue = SimpleNamespace(chain=chain, chain_id=84532, sandbox=sandbox, wallet="w", clock=clock)
    spec = SimpleNamespace(mark=Mark("p.yaml", 9, 3))
    return SimpleNamespace(venue=venue, address=ALICE, spec=spec)


async def ours(ledger, entity, state=GrantState.REQUESTED, **changes):
    made = await ledger.new_grant(replace(OURS, **changes), b"k" * 32)
    made = await ledger.offered(
        made, session_id=bytes(16), entity_id=entity, nonce=entity << 72, now=NOW
    )
    return made if made.state is state else await ledger.move_grant(made, state, now=NOW)


@pytest.mark.parametrize(
    ("installed", "known", "found"),
    [
        ((), (), []),
        ((1, 2), (1, 2), []),
        ((1,), (), [1]),
        ((1, 2, 3), (2,), [1, 3]),
        ((8,), (), [8]),
        ((8, 16), (), [8, 16]),
        ((12,), (5,), [12]),
    ],
)
async def test_x19_what_is_installed_and_not_known_is_found(installed, known, found):
    """
    Past gaps of up to eight, counted from the highest that is known or found.
    """
    ledger = MemoryLedger()
    for entity in known:
        await ours(ledger, entity)

    assert await strangers(account(Chain(*installed)), ledger) == found


async def test_x19_looking_ends():
    """
    Eight questions for an account with nothing on it.
    """
    chain = Chain()

    await strangers(account(chain), MemoryLedger())

    assert chain.asked == list(range(1, 9))


async def test_x19_a_key_that_was_revoked_and_is_there_again_is_a_stranger():
    """
    What was proved gone is not ours if it is back; on another account or chain it never was.
    """
    ledger = MemoryLedger()
    await ours(ledger, 1, GrantState.REVOKED)
    await ours(ledger, 2, chain=1)

    assert await strangers(account(Chain(1, 2)), ledger) == [1, 2]


async def test_x19_real_money_is_refused_before_anything_is_written():
    """
    The refusal names the account, the entities, and both ways on.
    """
    ledger, telemetry = MemoryLedger(), Telemetry()

    with pytest.raises(UsageError, match=r"p/treasury.*entities 1, 3") as caught:
        await Lookout(ledger, Copies(), adopt=False).meet(
            {"p/treasury": account(Chain(1, 3))}, telemetry
        )

    assert caught.value.exit_code == 2
    assert "--adopt" in caught.value.hint
    assert "grants revoke p/treasury/foreign#1 --foreign" in caught.value.hint
    assert (await ledger.grants(), telemetry.told) == ([], [])


@pytest.mark.parametrize(
    ("adopt", "copied"), [(True, None), (False, NOW)], ids=["--adopt", "restored"]
)
async def test_x18_x19_adopted_they_stand_in_the_ledger_and_count_as_everything(adopt, copied):
    """
    By a person's word, or since the ledger is a restored copy; met once, told once.
    """
    ledger, telemetry, chain = MemoryLedger(), Telemetry(), Chain(1, 3)
    lookout = Lookout(ledger, Copies(copied), adopt=adopt)

    await lookout.meet({"p/treasury": account(chain)}, telemetry)
    await lookout.meet({"p/treasury": account(chain)}, telemetry)

    found = await ledger.grants()
    assert [(one.session, one.generation, one.entity_id) for one in found] == [
        ("p/treasury/foreign", 1, 1),
        ("p/treasury/foreign", 3, 3),
    ]
    assert {one.state for one in found} == {GrantState.FOREIGN}
    assert {one.permissions for one in found} == {(Root(),)}
    assert {one.nonce for one in found} == {None}
    assert await strangers(account(chain), ledger) == []
    ((event, fields),) = telemetry.told
    assert event == "account.foreign"
    assert fields["entities"] == [1, 3]


async def test_x19_a_sandbox_is_told_of_and_nothing_is_written():
    """
    Its keys guard nothing.
    """
    ledger, telemetry = MemoryLedger(), Telemetry()

    await Lookout(ledger, Copies(), adopt=False).meet(
        {"p/treasury": account(Chain(1), sandbox=True)}, telemetry
    )

    assert await ledger.grants() == []
    assert [event for event, _ in telemetry.told] == ["account.foreign"]


async def test_x19_a_chain_that_does_not_answer_is_told_and_asked_again():
    """
    What was signed has to be watched all the same; the next look catches up.
    """
    ledger, telemetry, chain = MemoryLedger(), Telemetry(), Chain(1, lost=True)
    lookout = Lookout(ledger, Copies(), adopt=False)

    await lookout.meet({"p/treasury": account(chain)}, telemetry)
    assert [event for event, _ in telemetry.told] == ["account.unscanned"]
    chain.lost = False
    with pytest.raises(UsageError):
        await lookout.meet({"p/treasury": account(chain)}, telemetry)


async def test_commands_that_only_take_keys_off_do_not_look():
    """
    A stranger must not keep anybody from revoking.
    """
    chain = Chain(1)

    await Lookout(MemoryLedger(), Copies(), adopt=None).meet({"a": account(chain)}, Telemetry())

    assert chain.asked == []

"""
Who enforces what, and the background of keys that deserve more than two sentences: the longer
text behind `runner explain`. Keys are named `level.key`.
"""

from __future__ import annotations

from enum import StrEnum


class Enforcer(StrEnum):
    """Who keeps a bound: it decides what the bound is worth when the session key is stolen."""

    CHAIN = "the chain: the account refuses what goes beyond, whoever holds the key"
    RUNNER = "the runner, before it signs: a thief of the session key is not bound by it"


ENFORCED: dict[str, Enforcer] = {
    "session.lifetime": Enforcer.CHAIN,
    "session.permissions": Enforcer.CHAIN,
    "permissions.erc20-token-transfer": Enforcer.CHAIN,
    "permissions.native-token-transfer": Enforcer.CHAIN,
    "permissions.gas-limit": Enforcer.CHAIN,
    "permissions.contract-access": Enforcer.CHAIN,
    "permissions.functions-on-contract": Enforcer.CHAIN,
    "permissions.functions-on-all-contracts": Enforcer.CHAIN,
    "permissions.account-functions": Enforcer.CHAIN,
    "permissions.root": Enforcer.CHAIN,
    "functions-on-contract.contract": Enforcer.CHAIN,
    "functions-on-contract.functions": Enforcer.CHAIN,
    "functions.functions": Enforcer.CHAIN,
    "account.max_fee": Enforcer.RUNNER,
    "account.max_fee_per_day": Enforcer.RUNNER,
    "session.receivers": Enforcer.RUNNER,
    "session.limits": Enforcer.RUNNER,
    "session.max_exposure": Enforcer.RUNNER,
    "limits.per_run": Enforcer.RUNNER,
    "limits.per_day": Enforcer.RUNNER,
    "limits.per_week": Enforcer.RUNNER,
    "limits.per_month": Enforcer.RUNNER,
    "limits.per_lifetime": Enforcer.RUNNER,
    "limits.rolling": Enforcer.RUNNER,
    "schedule.limits": Enforcer.RUNNER,
    "schedule.max_runs": Enforcer.RUNNER,
    "schedule.until_total": Enforcer.RUNNER,
    "schedule.approve_above": Enforcer.RUNNER,
    "schedule.new_receiver_above": Enforcer.RUNNER,
    "schedule.require": Enforcer.RUNNER,
    "schedule.blackout": Enforcer.RUNNER,
    "require.balance": Enforcer.RUNNER,
    "require.argument": Enforcer.RUNNER,
    "top_up.max": Enforcer.RUNNER,
    "sweep.keep": Enforcer.RUNNER,
    "sweep.max": Enforcer.RUNNER,
}
"""Keys that bound something."""

BACKGROUND: dict[str, str] = {
    "policy.defaults": """
        Any key of sessions and schedules, save `previous_names`, can stand here; it holds where a
        session or schedule does not write the key itself. A schedule that writes any trigger
        takes none from here, and so with the forms of calls. A default of the policy wins over
        one of a book. Keys that must be written may be written here. `runner validate --resolved`
        prints each policy with its defaults filled in.
        """,
    "policy.include": """
        A book is a YAML file with `tokens`, `contacts`, `groups` and `defaults`, and nothing
        else: accounts, sessions and schedules stay where a reviewer of the policy sees them. Its
        path is relative to the policy's file. A name is declared once among the policy and all of
        its books. A book in the same folder is no policy of its own. `runner validate --resolved`
        shows what holds in a policy, and from which book it comes.
        """,
    "policy.name": """
        The identity of a payment is made of policy, schedule and due time. A renamed schedule
        keeps its history by `previous_names`; a renamed policy does not: its schedules begin
        anew, and a grant of its sessions is asked for again.
        """,
    "account.address": """
        A smart account's address follows from its owner and `salt`, so it can be computed before
        the account exists on chain; the answer of the service must equal it, or nothing is
        signed. An account made in another way needs its address here. With `type: eip7702` the
        address is the owner's own.
        """,
    "account.type": """
        `eip7702` is for money that stays where it is: the owner's address itself, an EOA that has
        delegated to the account's code. The owner delegates once on each chain, with `runner
        grants request SESSION --delegate`; a daemon asks for it and never does it on the way of a
        payment. With --sandbox, in an embedded sandbox and in `simulate` a play account of its own
        stands for it.
        """,
    "account.gas": """
        With `sponsor`, a paymaster of the wallet profile pays: an operation without one is
        refused, and the session is granted `gas-limit: 0`, so that a thief cannot burn the
        account's coin as gas. With `native` the account needs coin; `derive` grants a gas limit
        of (runs + 1 activation + 10% for burns) times `max_fee`.
        """,
    "account.max_fee": """
        The bound covers what an operation could cost at worst: all gas fields, those of a
        paymaster too, times its maxFeePerGas. It also limits by how much a stuck payment may be
        outbid by its replacement. It always has a value; where the worth of the coin is not
        known, on chains other than ether's, it must be written.
        """,
    "session.lifetime": """
        The chain refuses the key from the end of the grant on. Renewal is make-before-break: the
        next generation gets a fresh key and is activated by an empty operation while the old one
        still serves, and payments notice nothing. A life that is short costs one owner signature
        and one cheap operation a renewal; a long one leaves a stolen key good for longer, so
        `runner validate` warns from half a year on. `never` is refused for payments.
        """,
    "session.renew_before": """
        Default: a third of the life before its end where that is 10 days or more, half of a
        shorter one. Renewal comes up to a tenth of that earlier (10 minutes at most), by hash, so
        that many sessions do not renew at once; never later. It leaves at least the time of one
        run and one activation, and comes early where a slot would outlast the grant or an
        allowance runs out. A failing renewal is tried again and again and never stops the grant
        that still serves.
        """,
    "session.permissions": """
        `derive` adds up what the schedules spend in the worst stretch of lifetime plus catch-up
        window within the next 400 days, and asks for exactly that: an allowance for each token, a
        native allowance (0 unless coin is sent), the contracts and functions that are called, and
        a gas limit (0 where gas is sponsored), each amount with `margin` on top. Computed calls
        count by their `max` and the limits. Allowances only go down: they are counted by the
        account over the life of one grant, and a new grant begins with fresh ones, so the key of
        a session can take at most its allowances in each generation. All permissions of a list
        hold together: what may be called is the union, limits hold for all of it.
        """,
    "session.margin": """
        With the default of 10%, a raise of a salary by 5% needs no new grant: the allowance still
        covers it. What goes beyond is seen by `runner validate` and asks for a new grant at once.
        A margin also is what a thief could take beyond the payments; 0% is the exact need.
        """,
    "session.receivers": """
        Judged twice: by `runner validate` for what the file pays, and by the guard for the frozen
        calls before each signature; a value sent along and the spender of an approval count too.
        The chain knows no receivers: the permission for a token lets the key pay anybody. So this
        protects against mistakes and a lying service, not against a thief of the key; for that
        keep lifetime and allowances small.
        """,
    "session.limits": """
        A run reserves its amounts under every limit, of its session and its schedule, in the
        transaction that claims it; it is charged when it is included and released when it closes
        without success. It is charged to the day, week and month in which its slot was due, also
        when it is paid late. What a limit refuses follows `on_budget`. Approvals count in full.
        The ledger keeps the sums: two processes cannot spend the same budget.
        """,
    "session.max_exposure": """
        Around a renewal two grants can sign, and a revoked one counts until the chain has
        confirmed it. The sum of what they have left, by token, stays below this. Where a renewal
        would break it, it waits for the end of the older grant; where waiting is impossible, the
        old one is revoked first and payments pause meanwhile.
        """,
    "session.accept_risk": """
        `root`, `account-functions`, `functions-on-all-contracts`, and access to the EntryPoint or
        to a module of the account let a key lift its own limits: no other permission bounds it
        then. The reason stays in the file for the next reader. In nearly all cases
        `permissions: derive` does without.
        """,
    "session.on_no_grant": """
        The old grant serves until its end whatever becomes of its renewal. If the owner cannot be
        reached until then, `hold` waits within the slot's catch-up window and pays as soon as
        there is a grant; `skip` closes the run as skipped(grant), `fail` as missed(grant), which
        counts for `pause_after_failures`.
        """,
    "session.owner_lead": """
        Only for owners of kind `manual`: a request with account, scope, expiry and hash in
        readable form is exported this long before the renewal is due, and reminders get louder at
        half and at 80% of the time that is left.
        """,
    "limits.rolling": """
        A calendar month lets two months' worth go out around midnight of the first; a rolling
        limit does not: within any 7 days (or whatever length the key says), no more than this.
        """,
    "permissions.erc20-token-transfer": """
        The account adds up the amounts of `transfer` and `approve`, batches included, and refuses
        what exceeds the allowance; an approval counts in full each time, and lowering one gives
        nothing back. Receivers are not looked at: see `session.receivers`. `transferFrom`,
        `permit` and all else of the token is refused. Of two entries for one token the chain
        would count the last alone, so two are an error here.
        """,
    "permissions.native-token-transfer": """
        Counts the coin that the account's own calls send; gas is not counted here but by
        `gas-limit`. 0 is the usual value: without this permission a key that may call any
        contract can send all of the account's coin along with the call. `derive` always adds it.
        """,
    "permissions.gas-limit": """
        Counted in coin, not in gas: the most each operation could cost is taken off before it
        runs, and what it did not use is never given back. So (runs + 1) times `max_fee` is a good
        measure. With 0 only sponsored operations pass.
        """,
    "permissions.contract-access": """
        For an address without code it allows plain sends of coin, bounded by
        `native-token-transfer` alone. For a token it allows transfers without limit: write
        erc20-token-transfer instead. Access to the EntryPoint or a module of the account needs
        `accept_risk`.
        """,
    "permissions.functions-on-all-contracts": """
        `transfer(address,uint256)` in this list would move every token the account holds. A
        contract that has a permission of its own is judged by that alone.
        """,
    "permissions.account-functions": """
        Functions of the account change what it is: its owner, its modules, its code. Those that
        no key is ever granted (execute, installValidation, upgradeToAndCall and their like) are
        refused whatever the reason says.
        """,
    "permissions.root": """
        Nothing but the expiry limits it, and the key can lift that too. It moves every asset,
        installs further keys and can replace the owner. `runner validate` warns of it even where
        the risk is accepted.
        """,
    "schedule.cron": """
        Weekdays are those of cron: 0 and 7 are Sunday, 1 is Monday. A cron whose minute or hour
        begins with `*`, or that has seconds, follows elapsed time through a change of the clocks;
        any other names times of day, and `dst_gap` and `dst_fold` say what becomes of one that
        the clocks leave out or show twice. The 31st is left out in shorter months: write L for
        the last day. A cron that no day ever matches is an error.
        """,
    "schedule.every": """
        Counts exact time from the anchor: `24h` drifts against the clock on the wall by an hour in
        summer, `30d` meets some months twice. For "each month" and "each morning" write a cron.
        Without `anchor` and `start_at` it counts from the moment the schedule was first applied,
        which the ledger keeps.
        """,
    "schedule.dates": """
        A list of times, of rules, or of both; each is read on the wall clock of `timezone`. Rules
        are last_business_day, nth_weekday (`{weekday: friday, nth: 2, time: "09:00"}`) and
        nearest_weekday (the day itself, else the Friday before a Saturday or the Monday after a
        Sunday, but never in another month). Business days are Monday to Friday; holidays are
        listed by `blackout`.
        """,
    "schedule.pay_each": """
        The header names the columns to, amount, memo and ref, or `columns` says which are they.
        Amounts stand with their unit, or as numbers of `token`. All rows are one operation, paid
        together or not at all: at most 50. The file belongs to the policy: its rows are frozen
        when a run is prepared, a change of the file is a change of the policy.
        """,
    "schedule.top_up": """
        The balance of `to` is read when the run is prepared. Below `below` it is filled up to
        `up_to`, with at most `max`; else the run is closed as skipped(nothing_to_do). Since the
        amount comes from a chain endpoint that could lie, `max` and a limit `per_day` are
        required, and three runs in a row at `max` pause the schedule.
        """,
    "schedule.sweep": """
        What the account holds above `keep` is sent to `to`, at most `max` a run; else the run is
        closed as skipped(nothing_to_do). As with top_up the amount is read from the chain, so
        `max` and a limit `per_day` are required, and three runs in a row at `max` pause the
        schedule.
        """,
    "schedule.until_total": """
        For what ends when a sum has been paid: a loan, a vesting plan. Closed successes count.
        When the next run would exceed it the schedule is completed; nothing smaller is paid
        instead.
        """,
    "schedule.jitter": """
        Spreads load: the delay comes from a hash of schedule and slot, so `runner next` can show
        it and a restart does not change it. It ends before the next slot, and never moves a
        payment into a blackout or past its grant. The slot's name and its budget period stay
        those of the nominal time.
        """,
    "schedule.day_match": """
        In cron, `0 9 13 * 5` fires on each 13th and on each Friday; most people mean Friday the
        13th. Nothing is guessed: where both day fields are restricted, `and` or `or` is written.
        """,
    "schedule.dst_gap": """
        In Berlin the clocks go from 02:00 to 03:00 in spring, and 02:30 is not there. `shift`
        reads it with the offset from before, so it is paid when the wall shows 03:30; `skip`
        leaves it out as skipped(dst_gap), `fail` records it as missed(dst_gap). A shifted slot
        that meets a regular one of its schedule is merged with it: one payment. It matters only
        to times of day: `every`, and crons that begin with `*`, follow elapsed time.
        """,
    "schedule.dst_fold": """
        In Berlin the clocks go back from 03:00 to 02:00 in autumn, and 02:30 comes twice. `first`
        pays at the first, `last` at the second, `both` pays twice. It matters only to times of
        day.
        """,
    "schedule.catch_up": """
        A slot is late when it was not taken up within `start_grace`: the daemon was down, the
        machine slept. `latest` pays only the newest late slot inside of `catch_up_window`, and
        none if a slot on time is there as well; older ones are recorded as superseded(catch_up).
        `none` pays nothing that is late. `all` pays each, oldest first and one at a time; it needs
        a written window, since after a long outage it pays the sum. What lies outside of the
        window is recorded as missed(late). Each slot has its row in the ledger, whatever becomes
        of it.
        """,
    "schedule.catch_up_window": """
        Counts from the slot's nominal time plus its jitter. By default it is half the distance to
        the next slot, at least a minute and at most 72 hours: half an hour for hourly payments,
        12 hours for daily ones, 72 from weekly ones on. A run that is held, for approval, a
        grant or funds, is given up as missed when the window ends. Windows of a session's
        schedules add to what `derive` asks for.
        """,
    "schedule.start_grace": """
        Within it every slot is claimed, also several of them after a restart; only later
        `catch_up` decides. For a schedule that fires more often than once a minute, lower it if
        the latest payment alone is wanted after a pause.
        """,
    "schedule.overlap": """
        A run is open until the chain has decided it; waiting for a person is open too. `skip`
        leaves the new slot out as skipped(overlap). `buffer_one` lets one slot wait, the newest;
        an older one that waits is superseded(overlap). `buffer_all(N)` lets N wait, in their
        order. `allow` runs them side by side, as many as the account's lane holds (4 by default).
        A slot that waits keeps its own catch-up window.
        """,
    "schedule.run_deadline": """
        A run that is signed and not included by then is never just forgotten: an empty operation
        is sent on the same nonce, and whichever of the two the chain includes decides. After
        that only a person pays it again. The grant must outlive the deadline, so a long one moves
        renewal earlier.
        """,
    "schedule.retry_on_revert": """
        A revert is final on the chain, paid its gas and moved nothing. It is tried again only
        inside the catch-up window, never when it came without data, and only where the evidence
        does not come from the wallet service itself (`rpc_url`).
        """,
    "schedule.pause_after_failures": """
        Reverted, not included and missed runs fail; those missed because they were late do not
        count. A payment that differs from what was asked, and a refusal of the guard, pause the
        schedule at once. `runner schedules resume` ends the pause.
        """,
    "schedule.approve_above": """
        The person sees the frozen calls, and approves their hash: if an amount changes, the
        approval is void. Amounts known beforehand are asked `approval_lead` before they are due.
        Without an answer the run is held(approval), and at the end of its catch-up window it is
        missed(approval).
        """,
    "schedule.new_receiver_above": """
        An address that was changed, by mistake or by somebody else, is the oldest way to lose a
        salary. Unset, the first payment to a contact whose address has changed since it was last
        paid waits for `runs approve`, whatever the amount; a contact that was never paid before
        waits only where this key is written.
        """,
    "schedule.require": """
        Judged on the frozen calls and the chain's state directly before signing. What does not
        hold is held(preflight) and looked at again within the catch-up window.
        """,
    "schedule.blackout": """
        Each span is either `cron` and `for`, again and again, or `from` and `until`, once; its
        times are read in its own `timezone` or that of the schedule. `defer` holds the run to the
        end of the span if its catch-up window reaches so far: give it one that does. `skip`
        leaves the slot out as skipped(blackout).
        """,
    "schedule.previous_names": """
        What was paid is remembered by schedule and due time. A renamed schedule that does not
        name its old one is a new one to the ledger; with the old name written here it keeps its
        history, its place in time and its budgets. `runner plan` shows the move. Once it is applied
        the line may be deleted; the old name stays taken.
        """,
    "session.previous_names": """
        A renamed session that does not name its old one is a new one: its owner signs again, and
        the old key has to be taken off the account. With the old name written here its grants,
        budgets and pauses go on.
        """,
    "schedule.limits": """
        They hold beside those of the session: a run needs room under both. See `session.limits`
        for when an amount is charged.
        """,
    "config.store": """
        The only truth about the past: back it up, never delete it. On a wallet that is no sandbox
        `runner up` never makes one by itself, since a daemon without its past would pay
        everything anew: `runner db init` makes it, once.
        """,
    "config.secret_key": """
        32 bytes that encrypt session keys, contexts and signed requests in the ledger. Keep it
        apart from backups of the ledger: each is worth nothing without the other.
        """,
    "wallet.url": """
        A URL on this machine's loopback counts as a sandbox: it has short margins, and only
        signers marked `sandbox_only` sign for it. The key of the service is no part of it: see
        `wallet.api_key`.
        """,
    "wallet.rpc_url": """
        What a run came to is decided by events on the chain, never by what the wallet service
        says. Without an endpoint of another party the service is asked for its own evidence; then
        no new attempt is made by itself after a revert or a drop. One for all chains, or one for
        each.
        """,
    "timing.clock": """
        With `system`, due times follow this machine's clock: apart from the chain by more than
        30 s it warns, by more than 120 s it grants and sends nothing. With `wallet`, time is that
        of the head block; sandboxes have it so.
        """,
    "timing.finality": """
        A run is closed when the block that includes it is so many blocks deep and so old. Too
        shallow, and a reorganisation of the chain may contradict what was closed; it is then
        followed again, with a critical alert.
        """,
    "timing.min_lead": """
        A renewal is due at least this long before the end of a grant, and at least as long as one
        run and one activation may take.
        """,
    "signer.sandbox_only": """
        Play money and real keys do not mix: a marked signer never signs for anything else, and
        any other never for a sandbox. `runner up --sandbox` replaces all signers by throw-away
        keys.
        """,
    "signer.command": """
        For keys that other software holds. The program is told on its standard input, as one JSON
        document, what is to be signed: in words, in fields, and the 32-byte `digest`. It prints
        0x and 130 hex digits, which count only as a signature by `address`. Exit status 77 says
        no; any other failure is tried again within minutes.
        """,
    "signer.manual": """
        The owner key never touches this machine: the runner exports a readable request, and a
        person brings the signature back. `session.owner_lead` says how early the person is asked.
        """,
    "http.bind": """
        On loopback, reading needs no token. Any other host needs `token`: whoever reaches the
        port could pause and pay.
        """,
    "alerts.routes": """
        One incident is one message, which is closed when its cause is gone. `min_severity` is what
        a route begins with: `critical` alone for a pager, `warning` for a channel.
        """,
}
"""By key."""

"""Keys of schedules, their dates, blackouts and conditions."""

from __future__ import annotations

from runner.policy.language.level import Key, level

SCHEDULE = level(
    "schedule",
    "a schedule",
    Key("session", "name", "The session whose key signs.", required=True),
    Key(
        "cron",
        "cron",
        (
            "Fires when the clock on the wall of `timezone` matches: five fields, or six with "
            "seconds first; 0 and 7 are Sunday."
        ),
    ),
    Key(
        "every",
        "duration",
        "Fires each time this much has passed since the anchor, whatever clocks and months do.",
    ),
    Key("at", "instant", "Fires once."),
    Key(
        "dates",
        "list of dates and rules, or a rule",
        "Fires at these times of the wall clock of `timezone`: listed one by one, or by a rule.",
    ),
    Key(
        "timezone",
        "time zone",
        (
            "Where cron, dates, and times without an offset are read; cron and dates need one. "
            "The zone of the machine is never used."
        ),
    ),
    Key(
        "anchor",
        "instant",
        "Where `every` counts from.",
        "start_at, else the moment the schedule is first applied",
    ),
    Key("calls", "list of calls", "What each run does: one operation, all of it or nothing."),
    Key("pay", "map", "Short for `calls` with payments: `{alice: 10 usdc, bob: 5 usdc}`."),
    Key("pay_each", "map", "Short for `calls` with one payment for each row of a CSV file."),
    Key("call", "map", "Short for `calls` with one function call."),
    Key("approve", "map", "Short for `calls` with approvals: `{vault: 40 usdc}`."),
    Key("raw", "map", "Short for `calls` with one raw call."),
    Key("top_up", "map", "Short for `calls` that fill a balance up."),
    Key("sweep", "map", "Short for `calls` that send away what is above an amount to keep."),
    Key("start_at", "instant", "No slot lies before it."),
    Key("end_at", "instant", "No slot lies after it; one at this very instant still fires."),
    Key(
        "max_runs",
        "integer, 1 or more",
        "How many runs there will be; skipped slots and extra runs do not count.",
    ),
    Key(
        "until_total",
        "amount or list of amounts",
        "What may be paid in all; the schedule ends before the run that would exceed it.",
    ),
    Key(
        "jitter",
        "duration or 0",
        "Delays each slot by up to this much, by hash: always the same for the same slot.",
        "0",
    ),
    Key(
        "day_match",
        "and or or",
        (
            "How day of month and day of week of a cron combine: both must match, or either "
            "will do. To be written when both are restricted."
        ),
    ),
    Key(
        "dst_gap",
        "shift, skip or fail",
        (
            "What becomes of a time that the clocks leave out in spring: paid as much later as "
            "the clocks jump, left out, or recorded as missed."
        ),
        "shift",
    ),
    Key(
        "dst_fold",
        "first, last or both",
        "Which instant is meant by a time that the clocks show twice in autumn.",
        "first",
    ),
    Key(
        "catch_up",
        "latest, none or all",
        "Which of the slots are still paid that nobody served in time.",
        "latest",
    ),
    Key(
        "catch_up_window",
        "duration",
        "How late a slot may still be paid, and how long a run may be held.",
        "half the way to the next slot, 1m to 72h",
    ),
    Key("catch_up_rate", "rate", "How fast `catch_up: all` pays what was left behind.", "1/m"),
    Key("start_grace", "duration", "How late is still on time.", "60s"),
    Key(
        "overlap",
        "skip, buffer_one, buffer_all(N) or allow",
        "What becomes of a slot that comes while a run of the schedule is still open.",
        "skip",
    ),
    Key(
        "run_deadline",
        "duration",
        (
            "How long a run may take from its claim. Then it is given up if nothing is signed, "
            "else made void by an empty operation on its nonce."
        ),
        "the smaller of 10m and a tenth of the session's lifetime",
    ),
    Key(
        "retry_on_revert",
        "integer, 0 to 3",
        "How often a run that the chain reverted is tried again, each time as a new attempt.",
        "0",
    ),
    Key(
        "pause_after_failures",
        "integer, 1 to 1000",
        "How many failed runs in a row pause the schedule until a person resumes it.",
        "3",
    ),
    Key(
        "on_budget",
        "skip or hold",
        (
            "What becomes of a run that a limit refuses: it is left out, or waits within its "
            "catch-up window."
        ),
        "skip",
    ),
    Key(
        "approve_above",
        "amount or list of amounts",
        "From which amount of a run on a person must approve it.",
    ),
    Key(
        "approval_lead",
        "duration",
        "How long before the due time the person is asked, 20 slots at most at a time.",
        "24h",
    ),
    Key(
        "new_receiver_above",
        "amount or list of amounts",
        (
            "From which amount on a first payment to a new or changed address must be approved "
            "by a person."
        ),
        "any amount to a changed one, none to a new one",
    ),
    Key("require", "list of conditions", "What must hold before a run is signed; else it waits."),
    Key("blackout", "list of spans", "When nothing is paid: nights, holidays, closed books."),
    Key("limits", "map", "Budgets of this schedule alone, beside those of its session."),
    Key(
        "suspend",
        "boolean",
        "Whether the schedule rests: its slots are recorded as skipped, grants are renewed.",
        "false",
    ),
    Key("late_after", "duration", "How late a payment raises an alert."),
    Key("max_time_since_success", "duration", "How long without a payment raises an alert."),
    Key("max_runtime", "duration", "How long an open run raises an alert."),
    Key("ping", "URL", "Called after each success, for a monitor that notices silence."),
    Key(
        "previous_names",
        "list of names",
        "Names the schedule had before: what was paid under them is not paid again.",
    ),
)

DATES = level(
    "dates",
    "a rule of `dates`",
    Key(
        "last_business_day",
        "time of day or map",
        "The last day from Monday to Friday of each month.",
    ),
    Key("nth_weekday", "map", "A weekday of each month, counted from its beginning, or the last."),
    Key(
        "nearest_weekday",
        "map",
        ("The day from Monday to Friday nearest to a day of each month, in the same month."),
    ),
)

DATE_RULE = level(
    "date rule",
    "a rule of `dates`",
    Key("time", "time of day", "When, on the wall clock.", required=True),
    Key("months", "list of months", "In which months, as 1 to 12.", "every month"),
    Key("weekday", "weekday", "Of `nth_weekday`: which day of the week."),
    Key(
        "nth",
        "1 to 5, or last",
        "Of `nth_weekday`: which of them; a month without a fifth has none.",
    ),
    Key(
        "day",
        "integer, 1 to 31",
        "Of `nearest_weekday`: the day of the month; in a shorter month its last one.",
    ),
)

BLACKOUT = level(
    "blackout",
    "a blackout",
    Key("cron", "cron", "When it begins, again and again, on the wall clock of `timezone`."),
    Key("for", "duration", "How long it lasts from there."),
    Key("from", "date or instant", "When it begins, once; a date from its midnight on."),
    Key("until", "date or instant", "When it ends; a date with all of its day."),
    Key("timezone", "time zone", "Where its times are read.", "that of the schedule"),
    Key(
        "action",
        "defer or skip",
        ("Whether slots inside wait for its end, within their catch-up window, or are left out."),
        "defer",
    ),
)

REQUIRE = level(
    "require",
    "a condition",
    Key("balance", "map", "Somebody holds at least this much."),
    Key("argument", "map", "An argument of a call of this schedule lies within bounds."),
)

BALANCE = level(
    "balance",
    "`balance`",
    Key("of", "address or name", "Whose balance.", "the paying account's"),
    Key("at_least", "amount", "How much of what.", required=True),
)

ARGUMENT = level(
    "argument",
    "`argument`",
    Key("function", "signature", "Calls of which function.", required=True),
    Key(
        "name",
        "parameter",
        "Which argument: the parameter's name, or its place from 0 on.",
        required=True,
    ),
    Key("equals", "argument", "It is this."),
    Key("not", "argument", "It is anything but this."),
    Key("in", "list of arguments", "It is one of these."),
    Key("above", "argument", "It is greater than this number."),
    Key("at_least", "argument", "It is this number or greater."),
    Key("below", "argument", "It is less than this number."),
    Key("at_most", "argument", "It is this number or less."),
)

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
            "Fires when the wall clock of `timezone` matches: five fields, or six with "
            "seconds first; 0 and 7 are Sunday."
        ),
    ),
    Key("every", "duration", "Fires each time this much has passed since the anchor."),
    Key("at", "instant", "Fires once."),
    Key(
        "dates",
        "list of dates and rules, or a rule",
        "Fires at these times of the wall clock of `timezone`, listed or by rule.",
    ),
    Key("timezone", "time zone", "Where cron, dates, and times without offset are read."),
    Key(
        "anchor",
        "instant",
        "Where `every` counts from.",
        "start_at, else the moment the schedule is first applied",
    ),
    Key("calls", "list of calls", "What each run does, all or nothing."),
    Key("pay", "map", "Short for `calls` with payments: receivers and amounts."),
    Key("pay_each", "map", "Short for `calls` with one payment for each row of a CSV file."),
    Key("call", "map", "Short for `calls` with one function call."),
    Key("approve", "map", "Short for `calls` with an approval."),
    Key("raw", "map", "Short for `calls` with one raw call."),
    Key("top_up", "map", "Short for `calls` that fill a balance up."),
    Key("sweep", "map", "Short for `calls` that empty a balance."),
    Key("start_at", "instant", "No slot before it."),
    Key("end_at", "instant", "No slot after it."),
    Key("max_runs", "integer", "How many runs there will be; skipped ones do not count."),
    Key(
        "until_total",
        "amount or list of amounts",
        "What may be paid in all; a run that would exceed it ends the schedule.",
    ),
    Key(
        "jitter",
        "duration",
        "Delay of at most this much, by hash: the same for the same slot.",
        "0",
    ),
    Key(
        "day_match",
        "and or or",
        "How both day fields of a cron combine; to be written when both are restricted.",
    ),
    Key(
        "dst_gap",
        "shift, skip or fail",
        "What becomes of a time that the clocks leave out in spring.",
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
        "Which slots are still paid that nobody served in time.",
        "latest",
    ),
    Key(
        "catch_up_window",
        "duration",
        "How late a slot may still be paid.",
        "half the way to the next slot, 1m to 72h",
    ),
    Key("catch_up_rate", "rate", "How fast `catch_up: all` catches up.", "1/m"),
    Key("start_grace", "duration", "How late is still on time.", "60s"),
    Key(
        "overlap",
        "skip, buffer_one, buffer_all(N) or allow",
        "What becomes of a slot while the run before it is open.",
        "skip",
    ),
    Key(
        "run_deadline",
        "duration",
        ("How long a run may take from its claim; then it is given up, or burned if signed."),
        "the smaller of 10m and a tenth of the session's lifetime",
    ),
    Key("retry_on_revert", "integer", "How often a reverted run is tried again, at most 3.", "0"),
    Key("pause_after_failures", "integer", "Failed runs in a row that pause the schedule.", "3"),
    Key("on_budget", "skip or hold", "What becomes of a run that a budget refuses.", "skip"),
    Key(
        "approve_above",
        "amount or list of amounts",
        "From which amount on a person must confirm a run.",
    ),
    Key("approval_lead", "duration", "How early the person is asked.", "24h"),
    Key(
        "new_receiver_above",
        "amount or list of amounts",
        ("From which amount on a first payment to a new or changed receiver must be confirmed."),
        "any amount to a changed one, none to a new one",
    ),
    Key("require", "list of conditions", "What must hold before a run is signed."),
    Key("blackout", "list of spans", "When nothing is paid."),
    Key("limits", "map", "Budgets of this schedule alone, kept by the runner."),
    Key("suspend", "boolean", "Whether the schedule rests.", "false"),
    Key("late_after", "duration", "How late a payment raises an alert."),
    Key("max_time_since_success", "duration", "How long without a payment raises an alert."),
    Key("max_runtime", "duration", "How long an open run raises an alert."),
    Key("ping", "URL", "Called after each success, for a monitor that notices silence."),
    Key(
        "previous_names",
        "list of names",
        "Names the schedule had before: its history goes on under the new one.",
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
    Key("nth_weekday", "map", "A weekday of each month, counted from its beginning or its end."),
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
    Key("months", "list of months", "In which months, as 1 to 12.", "all"),
    Key("weekday", "weekday", "Of `nth_weekday`: which day of the week."),
    Key(
        "nth",
        "1 to 5, or last",
        "Of `nth_weekday`: which of them; a month without a fifth has none.",
    ),
    Key(
        "day",
        "integer",
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
    Key("above", "argument", "It is greater."),
    Key("at_least", "argument", "It is this or greater."),
    Key("below", "argument", "It is less."),
    Key("at_most", "argument", "It is this or less."),
)

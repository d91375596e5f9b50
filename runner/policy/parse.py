"""
YAML files → policies, or every fault of every file at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from runner.errors import Mark, PolicyError, PolicyErrors
from runner.frozen import frozen
from runner.policy.accounts import Surroundings, read_accounts
from runner.policy.alike import Alike
from runner.policy.beside import Neighbour, is_link
from runner.policy.books import Books, read_books
from runner.policy.codes import Code
from runner.policy.context import CheckCron, Defaults, Names
from runner.policy.defaults import read_each
from runner.policy.faults import Faults, Finding
from runner.policy.includes import Given, Library, is_book, read_defaults
from runner.policy.language import POLICY, SCHEDULE, SESSION
from runner.policy.model import Policy, Schedule, Session
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node, Scalar
from runner.policy.reader import Reader
from runner.policy.record import Record
from runner.policy.scalars import parse_name, parse_text, parse_version, parse_zone
from runner.policy.schedules import ScheduleReader, read_fields
from runner.policy.sessions import (
    Accounts,
    SessionReader,
    check_previous_names,
    has_sound_limits,
)
from runner.policy.source import MAX_BYTES, Document, read

Lint = Callable[[Policy], Iterable[Finding]]
"""Looks at a policy that reads well."""

_SUFFIXES = (".yaml", ".yml")


@frozen
class _Loaded:
    """What became of one file. `line` is the one that names the policy."""

    path: Path
    policy: Policy | None
    faults: list[PolicyError]
    line: str | None = None


@frozen
class Part:
    """What became of some of the files, and the faults of the books that they include."""

    files: list[_Loaded]
    books: dict[Path, list[PolicyError]]

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Those that could be read; none of them is to be used where anything has a fault."""
        return tuple(one.policy for one in self.files if one.policy is not None)

    @property
    def is_sound(self) -> bool:
        """Whether nothing in it keeps the policies from being used."""
        faults = [*(one.faults for one in self.files), *self.books.values()]
        return not any(fault.severity == "error" for each in faults for fault in each)


ReadPart = Callable[[Sequence[Path]], Part]
Spread = Callable[[ReadPart, Sequence[Path]], Sequence[Part]]
"""Applies a reader to parts of a list of files; the parts in their order are the whole list."""


def all_here(read_part: ReadPart, files: Sequence[Path]) -> Sequence[Part]:
    """All files in one part, read by this process."""
    return [read_part(files)]


def load_policies(
    paths: Sequence[Path],
    *,
    environment: Mapping[str, str],
    settings: Surroundings | None = None,
    check_cron: CheckCron,
    cover: Lint | None = None,
    lint: Lint | None = None,
    origins: bool = True,
    spread: Spread = all_here,
) -> tuple[Policy, ...]:
    """
    Load policies from files and folders.

    Args:
        paths: Files, and folders: of these every `*.yaml` and `*.yml`, by name, subfolders and
            hidden files aside.
        environment: What `${NAME}` may name.
        settings: The wallets and signers to check against; None leaves that out.
        check_cron: Reads cron expressions; `runner.scheduling.cron.check_cron`.
        cover: Looks at each policy that reads well, whether grants would carry it;
            `runner.planning.coverage.coverage` with the time.
        lint: Finds what is allowed and hardly meant in such a policy;
            `runner.planning.lint.lint` with the time.
        origins: Whether `Policy.written` is wanted: a mark for each key of thousands of schedules.
        spread: Reads the files in parts, perhaps in several processes.

    Returns:
        The policies in the order of their files. Their warnings are in `Policy.warnings`.

    Raises:
        PolicyErrors: All faults of all files, warnings included, in file order.
    """
    read_part = partial(
        _load_files,
        environment=environment,
        settings=settings,
        check_cron=check_cron,
        cover=cover,
        lint=lint,
        origins=origins,
    )
    parts = spread(read_part, tuple(_files(paths)))
    books = {path for part in parts for path in part.books}
    loaded = [one for part in parts for one in part.files]
    if books:  # a book lies beside the policies that include it, and is none itself
        loaded = [one for one in loaded if one.path.resolve() not in books]
    found = [fault for one in _names_checked(loaded) for fault in one.faults]
    found += [fault for part in parts for faults in part.books.values() for fault in faults]
    if any(fault.severity == "error" for fault in found):
        raise PolicyErrors(_once(found))
    return tuple(one.policy for one in loaded if one.policy is not None)


def _load_files(
    files: Sequence[Path],
    *,
    environment: Mapping[str, str],
    settings: Surroundings | None,
    check_cron: CheckCron,
    cover: Lint | None,
    lint: Lint | None,
    origins: bool,
) -> Part:
    library = Library(environment, check_cron)
    loaded = []
    for path in files:
        if path.is_dir():
            loaded.append(_Loaded(path, None, [_nothing_in(path)]))
            continue
        try:
            raw = _read_file(path)
        except OSError as error:
            loaded.append(_Loaded(path, None, [_unreadable(path, error)]))
            continue
        document = read(raw, str(path))
        loader = _Loader(document, path, library, settings, check_cron, cover, lint, origins)
        policy = loader.load()
        line = None if policy is None else document.source.line(policy.mark.line)
        loaded.append(_Loaded(path, policy, _in_order(document.faults), line))
    books = {path: _in_order(book.faults) for path, book in library.books.items()}
    return Part(loaded, books)


def _names_checked(loaded: Iterable[_Loaded]) -> Iterator[_Loaded]:
    """Report the second policy of a name."""
    first: dict[str, Policy] = {}
    for one in loaded:
        policy = one.policy
        if policy is not None and policy.name:
            earlier = first.setdefault(policy.name, policy)
            if earlier is not policy:
                fault = PolicyError(
                    f"the policy name `{policy.name}` is taken by {earlier.file}",
                    code=Code.POLICY_TWICE.value,
                    where=policy.mark,
                    hint="names are unique among all files: the history belongs to the name",
                    source=one.line,
                )
                yield replace(one, faults=sorted([*one.faults, fault], key=_place))
                continue
        yield one


def parse_policy(
    text: str | bytes,
    file: str,
    *,
    environment: Mapping[str, str],
    settings: Surroundings | None = None,
    check_cron: CheckCron,
    path: Path | None = None,
    cover: Lint | None = None,
    lint: Lint | None = None,
) -> Policy:
    """
    Read one policy from text; `file` is its name in messages, `path` where it stands if it may
    name files beside it. See `load_policies`.

    Raises:
        PolicyErrors: All faults, in the order of the file.
    """
    document = read(text, file)
    library = Library(environment, check_cron)
    policy = _Loader(document, path, library, settings, check_cron, cover, lint).load()
    found = _in_order(document.faults)
    found += [fault for book in library.books.values() for fault in _in_order(book.faults)]
    if policy is None or any(fault.severity == "error" for fault in found):
        raise PolicyErrors(_once(found))
    return policy


def _once(faults: Iterable[PolicyError]) -> list[PolicyError]:
    """Drop repetitions: a default of a book is read by each schedule of each policy."""
    return list({(one.code, one.where, one.what): one for one in faults}.values())


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Go through files, once each; a folder without policies comes out itself."""
    seen = set()
    for path in paths:
        files = [path]
        if path.is_dir():
            files = [file for file in sorted(path.iterdir()) if _is_policy(file)] or [path]
        for file in files:
            if file not in seen:
                seen.add(file)
                yield file


def _is_policy(file: Path) -> bool:
    return (
        file.suffix in _SUFFIXES
        and file.stem != "runner"  # the settings, in a folder that holds both
        and not file.name.startswith(".")
        and (file.is_file() or (is_link(file) and not file.exists()))
    )


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)  # one byte too many is enough to refuse it


def _unreadable(path: Path, error: OSError) -> PolicyError:
    what = f"the file cannot be read: {error.strerror or 'unknown reason'}"
    hint = "check the path and its permissions"
    if is_link(path):
        hint = "it is a link: look at where that leads"
    return PolicyError(what, code=Code.UNREADABLE.value, where=Mark(str(path), 1, 1), hint=hint)


def _nothing_in(path: Path) -> PolicyError:
    what = "the folder holds no policy: no file ends in .yaml or .yml"
    hint = "write one, or name another folder; `runner init` makes an example"
    return PolicyError(what, code=Code.UNREADABLE.value, where=Mark(str(path), 1, 1), hint=hint)


def _in_order(faults: Faults) -> list[PolicyError]:
    return sorted([*faults.errors, *faults.warnings], key=_place)


def _place(fault: PolicyError) -> tuple[bool, Mark | None]:
    return fault.where is not None, fault.where


class _Loader:
    """Reads the document of one policy."""

    def __init__(
        self,
        document: Document,
        path: Path | None,
        library: Library,
        settings: Surroundings | None,
        check_cron: CheckCron,
        cover: Lint | None,
        lint: Lint | None,
        origins: bool = True,
    ) -> None:
        self.document = document
        self.path = path
        self.library = library
        self.faults = document.faults
        self.reader = Reader(self.faults, library.environment)
        self.settings = settings
        self.check_cron = check_cron
        self.cover = cover
        self.lint = lint
        self.origins = origins
        self.written: dict[str, Mark] = {}

    def load(self) -> Policy | None:
        """Return the policy, whole only if there are no faults; None if nothing can be read."""
        root = self.document.root
        if root is not None and is_book(root):
            what = "this file holds what policies share, and none of them includes it"
            hint = "add it to `include` of a policy; or make it one, with `name: …`"
            self.faults.add(Code.BAD_BOOK, what, self.document.source.mark(0), hint)
            return None
        fields = None if root is None else self.reader.record(root, POLICY)
        if fields is None:
            return None
        fields.read("version", parse_version, "1")
        name = fields.read("name", parse_name, "")
        included, whole = self.library.included(fields, self.path)
        own = read_defaults(self.reader, fields)
        defaults = self._defaults([*(book.defaults for book in included), own], whole=whole)
        shared = [book.books for book in included]
        books = read_books(self.reader, fields, shared, whole=whole)
        self.written |= _declared(books)
        accounts = read_accounts(self.reader, fields, books, self.settings, self._remember)
        zone = defaults.zone or "UTC"
        sessions: dict[str, Session] = {}
        doubtful: set[str] = set()
        known = Accounts(accounts, fields.declared("accounts"))
        for key, _, node in self.reader.named(fields.get("sessions"), SESSION):
            record = self.reader.record(node, SESSION, defaults)
            if record is not None:
                _complete(record, defaults)
                self._remember("sessions", key, record)
                sessions[key] = SessionReader(record, name, known, books).read(key, zone)
                if not has_sound_limits(record):
                    doubtful.add(key)
        chains = {account.name: account.chain for account in accounts.values()}
        names = Names(
            policy=name,
            sessions=sessions,
            declared=fields.declared("sessions"),
            doubtful=doubtful,
            chains=chains,
            books=books,
            find=self._find,
            check_cron=self.check_cron,
            alike=Alike(self.faults),
        )
        schedules = self._schedules(fields, names, defaults)
        read_each(own.fields, fields, known, names)
        for section in ("session", "schedule"):
            check_previous_names(self.reader, fields.get(section + "s"), section)
        place = fields.get("name")
        policy = Policy(
            name=name,
            description=fields.read("description", parse_text, None),
            file=self.document.source.file,
            accounts=accounts,
            sessions=sessions,
            schedules=schedules,
            assets=books.all_assets(sorted(set(chains.values()))),
            contacts=books.contacts,
            mark=fields.mapping.mark if place is None else place.mark,
            tokens=books.tokens,
            groups=books.groups,
            written=self.written,
        )
        if not self.faults.errors:
            self._warn_unused(fields, sessions, schedules)
        sound = not self.faults.errors
        if self.cover is not None and sound:
            for found in self.cover(policy):
                self.faults.found(found)
        if self.lint is not None and sound:
            self._warn_idle_contacts(fields, books)
            for found in self.lint(policy):
                self.faults.found(found)
        return replace(policy, warnings=tuple(self.faults.warnings))

    def _schedules(self, fields: Record, names: Names, defaults: Defaults) -> dict[str, Schedule]:
        schedules = {}
        for key, _, node in self.reader.named(fields.get("schedules"), SCHEDULE):
            record = read_fields(self.reader, node, defaults)
            if record is not None:
                self._remember("schedules", key, record)
                schedules[key] = ScheduleReader(record, names, defaults).read(key)
        return schedules

    def _remember(self, section: str, name: str, record: Record) -> None:
        if not self.origins:
            return
        for key, node in record.fields.items():
            self.written[f"{section}.{name}.{key}"] = node.mark

    def _find(self, text: str, endings: tuple[str, ...]) -> Neighbour:
        return self.library.shelf.find(self.path, text, endings)

    def _defaults(self, given: Sequence[Given], *, whole: bool) -> Defaults:
        """Join the defaults of books and of the policy itself, which wins over them."""
        found: dict[str, Node] = {}
        meant: set[str] = set()
        for one in given:
            found |= one.fields
            meant |= one.meant
            whole &= one.whole
        zone = found.get("timezone")
        known = None if zone is None else self.reader.read(zone, parse_zone, None)
        return Defaults(found, known, frozenset(meant), whole)

    def _warn_unused(
        self, fields: Record, sessions: dict[str, Session], schedules: dict[str, Schedule]
    ) -> None:
        used = {schedule.session for schedule in schedules.values()}
        section = fields.get("sessions")
        for name in sessions:
            if name not in used and isinstance(section, MapNode):
                what = f"no schedule uses the session `{name}`: its key is granted for nothing"
                at: Scalar = section.entries[name][0]
                self.faults.warn(Code.SESSION_UNUSED, what, at, "delete the session")

    def _warn_idle_contacts(self, fields: Record, books: Books) -> None:
        section = fields.get("contacts")
        for name in books.contacts.keys() - books.used:
            if isinstance(section, MapNode) and name in section.entries:
                what = f"nothing names the contact `{name}`"
                hint = "delete it, or pay it; contacts of shared books may stay unused"
                self.faults.warn(Code.CONTACT_UNUSED, what, section.entries[name][0], hint)


def _declared(books: Books) -> dict[str, Mark]:
    sections: dict[str, Iterable[str]] = {
        "tokens": books.tokens,
        "contacts": books.contacts,
        "groups": books.groups,
    }
    return {
        f"{section}.{name}": books.declared[name].mark
        for section, names in sections.items()
        for name in names
    }


def _complete(record: Record, defaults: Defaults) -> None:
    """Add the defaults of keys that a session does not write."""
    for key, value in defaults.fields.items():
        if key in SESSION.keys and key not in record.mapping.entries:
            record.fields[key] = value

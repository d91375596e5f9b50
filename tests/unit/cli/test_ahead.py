"""What the ledger wants of policies comes out alike, whoever worked it out."""

import os

import pytest

from runner.cli import spread as spreading
from runner.cli.loading import policies_ahead, policies_of, settings_of
from runner.errors import PolicyErrors
from runner.planning.applied import Papers

# The tests' own runner has threads; the command has none when it starts children.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")

POLICY = """\
version: 1
name: policy-{number}
chain: base-sepolia
wallet: sandbox
contacts: {{alice: 0x00000000000000000000000000000000000a11ce}}
accounts: {{treasury: {{owner: treasury-owner}}}}
sessions: {{s: {{account: treasury, lifetime: 30d}}}}
schedules:
  a: {{session: s, cron: "{number} 9 * * *", timezone: UTC, pay: {{alice: 1 native}}}}
"""
RULES = "version: 1\nmax_lifetime: 60d\nmax_exposure: [90 native]\n"


@pytest.fixture(params=[False, True], ids=["free", "held"])
def settings(request, tmp_path, monkeypatch):
    """Settings over forty policies, alone or within the rules of an organisation."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policies").mkdir()
    for number in range(1, 41):
        text = POLICY.format(number=number)
        (tmp_path / "policies" / f"p{number:02}.yaml").write_text(text)
    rules = "organisation: rules.yaml\n" if request.param else ""
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "runner.yaml").write_text(
        f"policies: policies/\n{rules}"
        "wallets: {sandbox: {embedded: true}}\n"
        "signers: {treasury-owner: {env: KEY, sandbox_only: true}}\n"
    )
    return settings_of(None)


@pytest.fixture(params=[1, 3], ids=["one process", "three"])
def processes(request, monkeypatch):
    """So many processors, and parts of ten."""
    monkeypatch.setattr(spreading, "_LEAST", 10)
    monkeypatch.setattr(spreading, "_BESIDE", 0)
    monkeypatch.setattr(spreading, "_processors", lambda: request.param)
    return request.param


def has_children():
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


@pytest.mark.parametrize("count", [40, 30, 3, 0])
def test_papers_are_those_of_the_policies_in_force(settings, processes, count):
    """
    The digest of each, and the texts of those that the ledger lacks, be it all or a few.
    """
    with policies_ahead(settings, beside=lambda: None) as (policies, papers):
        digests, records = papers.digests(policies), papers.records(policies[:count])

    plain = policies_of(settings, one_process=True)
    assert digests == Papers().digests(plain)
    assert records == Papers().records(plain[:count])
    assert [policy.name for policy in policies] == [policy.name for policy in plain]


def test_nobody_works_on_once_it_is_known_what_is_lacking(settings, processes):
    """
    A child that has nobody to bring its texts to would hold its memory for good.
    """
    with policies_ahead(settings, beside=lambda: None) as (_, papers):
        assert has_children() is (processes > 1)

        papers.records([])

        assert not has_children()


def test_nobody_is_left_after_a_fault(settings, processes, tmp_path):
    """
    All faults come out, and no child stays behind.
    """
    (tmp_path / "policies" / "p07.yaml").write_text(POLICY.format(number=7) + "oops: 1\n")

    with pytest.raises(PolicyErrors) as caught, policies_ahead(settings, beside=lambda: None):
        pass

    assert [fault.code for fault in caught.value.faults] == ["P030"]
    assert not has_children()


def test_a_book_may_lie_among_the_policies(settings, processes, tmp_path):
    """
    It reads as a faulty policy until it is known to be a book; its neighbours have their papers.
    """
    book = tmp_path / "policies" / "people.yaml"
    book.write_text("contacts: {bob: 0x0000000000000000000000000000000000000b0b}\n")
    first = tmp_path / "policies" / "p01.yaml"
    first.write_text(POLICY.format(number=1) + "include: [people.yaml]\n")

    with policies_ahead(settings, beside=lambda: None) as (policies, papers):
        digests, records = papers.digests(policies), papers.records(policies)

    plain = policies_of(settings, one_process=True)
    assert len(plain) == 40
    assert digests == Papers().digests(plain)
    assert records == Papers().records(plain)
    assert not has_children()


@pytest.mark.parametrize("processes", [3], indirect=True)
def test_nobody_is_left_when_this_process_fails(settings, processes):
    """
    Whatever it does beside them.
    """

    def fails():
        raise RuntimeError

    with pytest.raises(RuntimeError), policies_ahead(settings, beside=fails):
        pass

    assert not has_children()

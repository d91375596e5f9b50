"""Secrets that change under a running daemon: noticed, taken over or refused, never half read."""

from __future__ import annotations

import pytest

from runner.adapters.secret_watch import SecretWatch
from runner.adapters.secrets import read_reference
from runner.adapters.signers.local import LocalSigner
from runner.adapters.signers.opening import confirm_signer
from runner.dashboard.security import Door
from runner.errors import SignerError
from runner.settings import CommandRef, FileRef, RpcUrls, Settings, SignerSpec, WalletProfile
from runner.settings.references import references_of, rpc_place

PLACE = "http.token"
SECRET = "hunter2-of-the-treasury"


class Told(list):
    def emit(self, event, **fields):
        self.append((event, fields))


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def monotonic(self):
        return self.seconds


class House:
    """One secret in a file, watched; `used` is what is in use."""

    def __init__(self, folder, reference=None):
        self.path = folder / "secret"
        self.told, self.clock = Told(), Clock()
        self.write("first of all")
        self.reference = reference or FileRef(self.path)
        self.watch = SecretWatch({PLACE: (self.reference,)}, clock=self.clock)
        self.used = "first of all"
        self.watch.renewing(PLACE, self.renew)

    def write(self, text, mode=0o600):
        self.path.write_text(text)
        self.path.chmod(mode)

    async def renew(self):
        found = read_reference(self.reference, {}, what=PLACE)
        changed, self.used = found != self.used, found
        return changed

    async def look(self, times=2, **how):
        for _ in range(times):
            await self.watch.look(self.told, **how)

    @property
    def events(self):
        return [event for event, _ in self.told]


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


async def test_a_file_that_nobody_touches_is_not_read_again(house):
    await house.look(times=5)

    assert (house.used, house.told) == ("first of all", [])


async def test_a_new_text_is_taken_over_when_it_has_come_to_rest(house):
    house.write("second")
    await house.look(times=1)
    early = house.used
    await house.look(times=1)

    assert (early, house.used) == ("first of all", "second")
    assert house.told == [("secret.renewed", {"where": PLACE})]


async def test_what_is_still_being_written_is_not_read(house):
    for part in ("s", "se", "sec", "seco", "secon"):
        house.write(part)
        await house.look(times=1)
    half = house.used
    house.write("second")
    await house.look()

    assert (half, house.used, house.events) == ("first of all", "second", ["secret.renewed"])


async def test_a_swap_of_links_as_kubernetes_makes_it_is_noticed(tmp_path):
    """
    secret → ..data/secret, ..data → ..1; the update makes ..2 and moves a new ..data over the old.
    """
    house = House(tmp_path)
    house.path.unlink()
    for number in ("1", "2"):
        (tmp_path / f"..{number}").mkdir()
        laid = tmp_path / f"..{number}" / "secret"
        laid.write_text(f"text {number}")
        laid.chmod(0o600)
    (tmp_path / "..data").symlink_to("..1")
    house.path.symlink_to("..data/secret")
    await house.look()
    first = house.used
    (tmp_path / "..next").symlink_to("..2")
    (tmp_path / "..next").replace(tmp_path / "..data")
    await house.look()

    assert (first, house.used) == ("text 1", "text 2")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda house: house.path.unlink(), "No such file"),
        (lambda house: house.write(""), "is empty"),
        (lambda house: house.write("\n \n"), "is empty"),
        (lambda house: house.write("second", mode=0o644), "open to others"),
        (lambda house: house.write("s" * 70_000), "too long"),
        (lambda house: house.path.write_bytes(b"\xff\xfe"), "not text"),
    ],
)
async def test_what_cannot_be_used_is_told_once_and_the_last_good_one_stays(house, spoil, why):
    spoil(house)
    await house.look(times=6)

    ((event, fields),) = house.told
    assert (event, fields["level"], fields["where"]) == ("secret.refused", "error", PLACE)
    assert why in fields["detail"]
    assert "stays in use" in fields["hint"]
    assert house.used == "first of all"

    house.write("second")
    await house.look()
    assert house.used == "second"
    assert house.events == ["secret.refused", "secret.renewed"]


async def test_mended_to_what_it_was_it_is_told_to_be_over(house):
    house.path.unlink()
    await house.look()
    house.write("first of all")
    await house.look()

    assert house.events == ["secret.refused", "secret.renewed"]


async def test_what_failed_is_tried_again_after_a_while_without_a_change(house):
    trouble = [OSError(5, f"disk of {SECRET}")]
    renew = house.renew

    async def failing():
        if trouble:
            raise trouble.pop()
        return await renew()

    house.watch._secrets[PLACE].renewals[:] = [failing]
    house.write("second")
    await house.look(times=4)
    before = house.used
    house.clock.seconds += 31
    await house.look(times=1)

    assert (before, house.used) == ("first of all", "second")
    assert house.told[0][1]["detail"] == "unexpected OSError"
    assert SECRET not in str(house.told)


async def test_a_change_between_the_start_and_the_first_look_is_noticed(tmp_path):
    """
    The state is that of the moment before anything was read.
    """
    house = House(tmp_path)
    house.write("second")

    await house.look()

    assert house.used == "second"


async def test_what_a_program_prints_is_asked_again_on_demand(tmp_path):
    house = House(tmp_path, CommandRef(("cat", str(tmp_path / "secret"))))
    house.write("second")
    await house.look()
    unasked = house.used
    await house.look(times=1, everything=True)

    assert (unasked, house.used) == ("first of all", "second")


def signer_file(folder, secret):
    path = folder / "owner"
    path.write_text(secret + "\n")
    path.chmod(0o600)
    return SignerSpec(source=FileRef(path))


async def test_a_key_that_is_not_the_owners_any_more_is_refused(tmp_path):
    """
    Without repeating either; the same key in other words is the same owner.
    """
    owner = LocalSigner(b"\x46" * 32, name="boss", sandbox_only=False).address

    same = await confirm_signer("boss", signer_file(tmp_path, "0x" + "46" * 32), {}, owner=owner)
    with pytest.raises(SignerError) as caught:
        await confirm_signer("boss", signer_file(tmp_path, "47" * 32), {}, owner=owner)

    assert same is False
    assert owner in caught.value.what
    assert "47" * 8 not in f"{caught.value} {caught.value.hint}"


def test_another_token_lets_nobody_stay_who_showed_the_one_before():
    door = Door("127.0.0.1", "correct-horse-battery-staple")
    seat = door.new_seat("ada")

    assert door.take_token("correct-horse-battery-staple") is False
    assert door.seat(seat) is not None
    assert door.take_token("another-horse-battery-staple") is True
    assert door.seat(seat) is None
    assert door.fits("another-horse-battery-staple")
    assert not door.fits("correct-horse-battery-staple")


def test_every_reference_of_the_settings_is_known_by_its_place(tmp_path):
    one = FileRef(tmp_path / "one")
    profile = WalletProfile(
        url="https://wallet.example", api_key=one, rpc_url=RpcUrls(by_chain={8453: one})
    )
    signers = {
        "boss": SignerSpec(keystore=tmp_path / "boss.json", password=one),
        "plain": SignerSpec(source=one),
        "hand": SignerSpec(manual="0x00000000000000000000000000000000000A11cE"),
    }
    settings = Settings(tmp_path, "sqlite:///x", one, {"w": profile}, signers=signers)

    found = references_of(settings)

    assert found == {
        "secret_key": (one,),
        "wallets.w.api_key": (one,),
        "wallets.w.rpc_url.8453": (one,),
        "signers.boss": (FileRef(tmp_path / "boss.json"), one),
        "signers.plain": (one,),
    }
    assert rpc_place("w", profile, 8453) in found
    assert rpc_place("w", profile, 1) == "wallets.w.rpc_url"

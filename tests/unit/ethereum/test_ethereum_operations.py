"""
Operations, nonces, signatures, authorizations and token calls.
"""

from dataclasses import fields, replace

import coincurve
import pytest
from eth_abi.abi import encode as oracle_encode
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import EncodingError
from runner.ethereum import abi, erc20
from runner.ethereum.address import ZERO_ADDRESS, address_from_bytes
from runner.ethereum.authorization import authorization_digest
from runner.ethereum.hashing import keccak256
from runner.ethereum.nonce import Nonce, decode_nonce
from runner.ethereum.signature import personal_sign_digest, recover_address
from runner.ethereum.user_operation import (
    USER_OPERATION_EVENT_TOPIC,
    UserOperation,
    UserOperationV06,
    call_id,
    user_operation_hash,
    user_operation_hash_v06,
)
from runner.ethereum.words import uint_bytes, uint_word

ALICE = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
BOB = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
OPERATION = UserOperation(
    sender=ALICE,
    nonce=1 << 64,
    call_data=b"\x01\x02",
    call_gas_limit=1,
    verification_gas_limit=2,
    pre_verification_gas=3,
    max_fee_per_gas=4,
    max_priority_fee_per_gas=5,
    factory=BOB,
    factory_data=b"\x03",
    paymaster=BOB,
    paymaster_verification_gas_limit=6,
    paymaster_post_op_gas_limit=7,
    paymaster_data=b"\x04",
)
OPERATION_V06 = UserOperationV06(ALICE, 1, b"\x01", 1, 2, 3, 4, 5, b"\x02", b"\x03")
ADDRESSES = st.binary(min_size=20, max_size=20).map(address_from_bytes)


def changed(value):
    """
    Return another value of the same kind.
    """
    if isinstance(value, int):
        return value + 1
    return value + b"\0" if isinstance(value, bytes) else "0x" + "11" * 20


@pytest.mark.parametrize("name", [field.name for field in fields(UserOperation)])
def test_every_field_enters_the_hash(name):
    other = replace(OPERATION, **{name: changed(getattr(OPERATION, name))})
    assert user_operation_hash(other, 1) != user_operation_hash(OPERATION, 1)


@pytest.mark.parametrize("name", [field.name for field in fields(UserOperationV06)])
def test_every_field_enters_the_hash_of_v06(name):
    other = replace(OPERATION_V06, **{name: changed(getattr(OPERATION_V06, name))})
    assert user_operation_hash_v06(other, 1) != user_operation_hash_v06(OPERATION_V06, 1)


def test_chain_and_entry_point_enter_the_hash():
    hashes = {
        user_operation_hash(OPERATION, 1),
        user_operation_hash(OPERATION, 2),
        user_operation_hash(OPERATION, 1, BOB),
    }
    assert len(hashes) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": -1},
        {"nonce": 2**256},
        {"call_gas_limit": 2**128},
        {"verification_gas_limit": -1},
        {"pre_verification_gas": 2**256},
        {"max_fee_per_gas": 2**128},
        {"max_priority_fee_per_gas": 2**128},
        {"paymaster_verification_gas_limit": 2**128},
        {"paymaster_post_op_gas_limit": -1},
        {"factory": None},
        {"paymaster": None},
        {"paymaster": None, "paymaster_data": b"", "paymaster_verification_gas_limit": 0},
    ],
)
def test_refuses_an_operation_that_cannot_be(changes):
    with pytest.raises(EncodingError):
        replace(OPERATION, **changes)


def test_max_cost_counts_all_gas():
    assert OPERATION.max_cost == (1 + 2 + 3 + 6 + 7) * 4
    assert OPERATION_V06.max_cost == (1 + 3 * 2 + 3) * 4
    assert replace(OPERATION_V06, paymaster_and_data=b"").max_cost == (1 + 2 + 3) * 4


@pytest.mark.parametrize("chain_id", [-1, 2**256])
def test_refuses_a_chain_id_that_cannot_be(chain_id):
    for make in (
        lambda: user_operation_hash(OPERATION, chain_id),
        lambda: call_id(chain_id, bytes(32)),
        lambda: authorization_digest(chain_id, ALICE, 0),
    ):
        with pytest.raises(EncodingError, match="chain id"):
            make()


def test_refuses_a_call_id_of_another_size():
    with pytest.raises(EncodingError):
        call_id(1, bytes(31))


@pytest.mark.parametrize(
    ("topic", "event"),
    [
        (
            USER_OPERATION_EVENT_TOPIC,
            b"UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)",
        ),
        (erc20.TRANSFER_TOPIC, b"Transfer(address,address,uint256)"),
    ],
)
def test_topics(topic, event):
    assert topic == keccak256(event)


@given(
    st.integers(0, 2**152 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
    st.integers(0, 2**64 - 1),
)
def test_decoding_undoes_packing_a_nonce(parallel, entity_id, options, sequence):
    nonce = Nonce(parallel, entity_id, options, sequence)

    assert decode_nonce(nonce.value) == nonce
    assert nonce.value >> 64 == nonce.key192


@given(st.integers(0, 2**256 - 1))
def test_packing_undoes_decoding_a_nonce(value):
    assert decode_nonce(value).value == value


@pytest.mark.parametrize(
    "parts", [(2**152, 0, 0, 0), (0, 2**32, 0, 0), (0, 0, 256, 0), (0, 0, 0, 2**64), (-1, 0, 0, 0)]
)
def test_refuses_a_nonce_part_that_is_too_wide(parts):
    with pytest.raises(EncodingError):
        Nonce(*parts)


@pytest.mark.parametrize("value", [-1, 2**256])
def test_refuses_a_nonce_that_is_no_uint256(value):
    with pytest.raises(EncodingError):
        decode_nonce(value)


def signed(digest, secret):
    signature = coincurve.PrivateKey(secret).sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes((27 + signature[64],))


SECRETS = st.binary(min_size=32, max_size=32).filter(lambda s: 0 < int.from_bytes(s) < ORDER)


@given(SECRETS, st.binary(max_size=80))
def test_recovers_the_signer(secret, message):
    digest = personal_sign_digest(message)
    public = coincurve.PrivateKey(secret).public_key.format(compressed=False)
    assert recover_address(digest, signed(digest, secret)) == address_from_bytes(
        keccak256(public[1:])[12:]
    )


@given(SECRETS, st.integers(0, 64), st.integers(1, 255))
def test_a_changed_signature_is_nobodys_or_another_ones(secret, place, change):
    digest = keccak256(secret)
    good = signed(digest, secret)
    bad = bytearray(good)
    bad[place] ^= change
    try:
        signer = recover_address(digest, bytes(bad))
    except EncodingError:
        return
    assert signer != recover_address(digest, good)


def test_refuses_the_second_spelling_of_a_signature():
    digest = keccak256(b"twice")
    good = signed(digest, b"\x01" * 32)
    high_s = (ORDER - int.from_bytes(good[32:64])).to_bytes(32)

    with pytest.raises(EncodingError, match="high s"):
        recover_address(digest, good[:32] + high_s + bytes((55 - good[64],)))


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(64),
        bytes(64) + b"\x1b",
        bytes(32) + b"\x01".rjust(32, b"\0") + b"\x1b",
        b"\x01".rjust(32, b"\0") + bytes(32) + b"\x1b",
        b"\xff" * 32 + b"\x01" * 32 + b"\x1b",
        b"\x01" * 64 + b"\x00",
        b"\x01" * 64 + b"\x1d",
        b"\x01" * 66,
    ],
)
def test_refuses_what_is_no_signature(signature):
    with pytest.raises(EncodingError):
        recover_address(bytes(32), signature)


@given(st.binary(max_size=40), st.binary(max_size=70))
def test_recovering_raises_nothing_else(digest, signature):
    try:
        recover_address(digest, signature)
    except EncodingError:
        return
    assert len(digest) == 32


@given(st.integers(0, 2**256 - 1), ADDRESSES, st.integers(0, 2**64 - 1))
def test_authorization_is_rlp(chain_id, address, nonce):
    import rlp

    encoded = rlp.encode([chain_id, bytes.fromhex(address[2:]), nonce])
    assert authorization_digest(chain_id, address, nonce) == keccak256(b"\x05" + encoded)


def test_refuses_an_authorization_nonce_that_is_too_wide():
    with pytest.raises(EncodingError):
        authorization_digest(1, ALICE, 2**64)


@given(ADDRESSES, st.integers(0, 2**256 - 1))
def test_token_calls(account, amount):
    transfer, approve = (
        erc20.encode_transfer(account, amount),
        erc20.encode_approve(account, amount),
    )

    arguments = oracle_encode(["address", "uint256"], [account, amount])
    assert transfer == keccak256(b"transfer(address,uint256)")[:4] + arguments
    assert approve == keccak256(b"approve(address,uint256)")[:4] + arguments
    assert erc20.decode_transfer(transfer) == erc20.decode_approve(approve) == (account, amount)
    assert erc20.decode_transfer(approve) is None
    assert erc20.decode_approve(transfer) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        erc20.TRANSFER,
        erc20.encode_transfer(ALICE, 1)[:-1],
        erc20.encode_transfer(ALICE, 1) + b"\0",
        erc20.TRANSFER + b"\x01" + erc20.encode_transfer(ALICE, 1)[5:],
    ],
)
def test_a_transfer_in_another_shape_is_none(data):
    assert erc20.decode_transfer(data) is None


@pytest.mark.parametrize("amount", [-1, 2**256])
def test_refuses_an_amount_that_is_no_uint256(amount):
    with pytest.raises(EncodingError):
        erc20.encode_transfer(ALICE, amount)
    with pytest.raises(EncodingError):
        erc20.encode_approve(ALICE, amount)


def test_words_hold_their_width():
    assert uint_word(255, 8) == b"\xff".rjust(32, b"\0")
    assert uint_bytes(1, 32) == b"\0\0\0\x01"
    with pytest.raises(EncodingError, match="limit is not a uint8: 256"):
        uint_word(256, 8, "limit")
    with pytest.raises(EncodingError, match="an integer of 20001 bits"):
        uint_word(1 << 20000)


@pytest.mark.parametrize(
    ("signature", "arguments", "kind", "amount"),
    [
        ("transfer(address to, uint256 n)", [ALICE, 7], "transfer", 7),
        ("approve(address to, uint256 n)", [ALICE, 7], "approve", 7),
        ("increaseAllowance(address to, uint256 n)", [ALICE, 7], "approve", 7),
        ("increaseApproval(address to, uint256 n)", [ALICE, 7], "approve", 7),
        ("approveAndCall(address to, uint256 n)", [ALICE, 7], "approve", 7),
        ("approveAndCall(address to, uint256 n, bytes d)", [ALICE, 7, b"x"], "approve", 7),
        ("transferAndCall(address to, uint256 n)", [ALICE, 7], "transfer", 7),
        ("transferAndCall(address to, uint256 n, bytes d)", [ALICE, 7, b"x"], "transfer", 7),
        ("setApprovalForAll(address to, bool all)", [ALICE, True], "approve", 2**256 - 1),
        ("setApprovalForAll(address to, bool all)", [ALICE, False], "approve", 0),
        (
            "permit(address o, address s, uint256 n, uint256 d, uint8 v, bytes32 r, bytes32 t)",
            [ZERO_ADDRESS, ALICE, 7, 9, 27, bytes(32), bytes(32)],
            "approve",
            7,
        ),
        (
            "permit(address, address s, uint256, uint256, bool a, uint8, bytes32, bytes32)",
            [ZERO_ADDRESS, ALICE, 1, 9, True, 27, bytes(32), bytes(32)],
            "approve",
            2**256 - 1,
        ),
    ],
)
def test_a_token_reads_calldata_whatever_stands_behind_it(signature, arguments, kind, amount):
    """
    More bytes behind the arguments do not hide what they mean; fewer mean nothing.
    """
    data = abi.encode_call(abi.parse_function(signature), arguments)
    wanted = erc20.TokenMove(kind, ALICE, amount)

    for tail in (b"", b"\0", bytes(64)):
        assert erc20.token_move(data + tail) == wanted
    dirty = data[:4] + b"\xff" + data[5:]
    if "permit" not in signature:
        assert erc20.token_move(dirty) == wanted
        assert erc20.token_move(data[:67]) is None
    assert erc20.token_move(b"\xff" + data[1:]) is None

"""
Signatures and calldata: eth-abi's bytes, read back strictly.
"""

import subprocess
import sys

import pytest
from eth_abi.abi import encode as oracle_encode
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import EncodingError
from runner.ethereum.abi import (
    Function,
    Parameter,
    check_argument,
    decode_call,
    encode_call,
    parse_function,
)
from runner.ethereum.abi_types import parse_type, read_all
from runner.ethereum.address import address_from_bytes

ALICE = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.mark.parametrize(
    ("text", "signature", "names"),
    [
        ("deposit(uint256 amount)", "deposit(uint256)", ["amount"]),
        ("deposit(uint)", "deposit(uint256)", [None]),
        ("  function  f ( ) ", "f()", []),
        ("harvest() external", "harvest()", []),
        ("f(int a, uint8[2][] b)", "f(int256,uint8[2][])", ["a", "b"]),
        ("f((address to, uint v)[] calls)", "f((address,uint256)[])", ["calls"]),
        ("f(tuple(address to, (bool,bytes) v) t)", "f((address,(bool,bytes)))", ["t"]),
        ("f(bytes calldata data, string memory)", "f(bytes,string)", ["data", None]),
        ("f(address payable to)", "f(address)", ["to"]),
        (
            "function transfer(address to, uint256 amount) external returns (bool ok);",
            "transfer(address,uint256)",
            ["to", "amount"],
        ),
        ("f(bytes32 a) public view returns (uint256, (bool)[])", "f(bytes32)", ["a"]),
        ("f(uint256 a) returns (bool) payable", "f(uint256)", ["a"]),
    ],
)
def test_reads_signatures(text, signature, names):
    function = parse_function(text)

    assert function.signature == signature
    assert [parameter.name for parameter in function.inputs] == names


@pytest.mark.parametrize(
    "text",
    [
        "",
        "deposit",
        "deposit(",
        "deposit(uint256",
        "deposit)uint256(",
        "deposit(uint256))",
        "deposit(uint256,)",
        "deposit(,)",
        "deposit(uint257)",
        "deposit(uint0)",
        "deposit(uint08)",
        "deposit(bytes33)",
        "deposit(fixed128x18)",
        "deposit(function)",
        "deposit(uint256 a b)",
        "deposit(uint256 1a)",
        "deposit(uint256 a, bool a)",
        "deposit(uint256[0] a)",
        "deposit(uint256[-1] a)",
        "deposit(uint256[9999999] a)",
        "deposit(() a)",
        "deposit((uint256 x y) a)",
        "deposit(uint256) sometimes",
        "deposit(uint256) returns",
        "deposit(uint256) returns bool",
        "deposit(uint256) returns (nothing)",
        "de posit(uint256)",
        "1deposit(uint256)",
        "deposit(mapping(uint256=>bool) m)",
        "f(" + "(" * 40 + "bool" + ")" * 40 + ")",
        "f(bool" + "[]" * 40 + ")",
        "f(" + "bool," * 2000 + "bool)",
    ],
)
def test_refuses_other_text(text):
    with pytest.raises(EncodingError):
        parse_function(text)


@given(st.text(alphabet="functio (),[]uint256bytesaddress returns", max_size=40))
def test_reading_a_signature_raises_nothing_else(text):
    try:
        function = parse_function(text)
    except EncodingError:
        return
    assert parse_function(function.signature).signature == function.signature


@pytest.mark.parametrize(
    ("text", "args", "data"),
    [  # the examples of the Solidity documentation
        (
            "baz(uint32 x, bool y)",
            (69, True),
            (
                "cdcd77c0"
                "0000000000000000000000000000000000000000000000000000000000000045"
                "0000000000000000000000000000000000000000000000000000000000000001"
            ),
        ),
        (
            "bar(bytes3[2])",
            ((b"abc", b"def"),),
            (
                "fce353f6"
                "6162630000000000000000000000000000000000000000000000000000000000"
                "6465660000000000000000000000000000000000000000000000000000000000"
            ),
        ),
        (
            "sam(bytes,bool,uint256[])",
            (b"dave", True, (1, 2, 3)),
            (
                "a5643bf2"
                "0000000000000000000000000000000000000000000000000000000000000060"
                "0000000000000000000000000000000000000000000000000000000000000001"
                "00000000000000000000000000000000000000000000000000000000000000a0"
                "0000000000000000000000000000000000000000000000000000000000000004"
                "6461766500000000000000000000000000000000000000000000000000000000"
                "0000000000000000000000000000000000000000000000000000000000000003"
                "0000000000000000000000000000000000000000000000000000000000000001"
                "0000000000000000000000000000000000000000000000000000000000000002"
                "0000000000000000000000000000000000000000000000000000000000000003"
            ),
        ),
    ],
)
def test_documented_calls(text, args, data):
    function = parse_function(text)

    assert encode_call(function, args).hex() == data
    assert decode_call(function, bytes.fromhex(data)) == args


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256),
        ("uint8", -1),
        ("uint256", True),
        ("uint256", "1"),
        ("uint256", 1.0),
        ("int8", 128),
        ("int8", -129),
        ("bool", 1),
        ("bool", "true"),
        ("bytes4", b"abc"),
        ("bytes4", b"abcde"),
        ("bytes4", "abcd"),
        ("bytes", "0x"),
        ("bytes", bytearray(b"a")),
        ("string", b"a"),
        ("string", "\ud800"),
        ("address", "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
        ("address", b"\x01" * 20),
        ("uint256[]", 1),
        ("uint256[2]", [1]),
        ("uint256[]", [1, -1]),
        ("(uint256,bool)", [1]),
        ("(uint256,bool)", [1, 1]),
        ("(uint256,bool)", {"a": 1, "b": True}),
        ("uint7", 1),
        ("nothing", 1),
    ],
)
def test_refuses_arguments_of_another_type(kind, value):
    with pytest.raises(EncodingError):
        check_argument(kind, value)


def test_names_the_faulty_part():
    function = parse_function("pay((address to, uint8 v)[] calls)")

    with pytest.raises(EncodingError, match=r"pay: calls\[1\]\[1\]: 256 is not a uint8"):
        encode_call(function, [[(ALICE, 1), (ALICE, 256)]])


def test_refuses_a_wrong_number_of_arguments():
    with pytest.raises(EncodingError, match="takes 1 arguments, not 2"):
        encode_call(parse_function("f(uint256)"), [1, 2])


def atoms():
    """
    Pairs of a type's name and a strategy of its values.
    """
    return st.one_of(
        st.integers(1, 32).map(lambda n: (f"uint{8 * n}", st.integers(0, 2 ** (8 * n) - 1))),
        st.integers(1, 32).map(
            lambda n: (f"int{8 * n}", st.integers(-(2 ** (8 * n - 1)), 2 ** (8 * n - 1) - 1))
        ),
        st.integers(1, 32).map(lambda n: (f"bytes{n}", st.binary(min_size=n, max_size=n))),
        st.just(("bool", st.booleans())),
        st.just(("bytes", st.binary(max_size=70))),
        st.just(("string", st.text("aé漢🙂", max_size=20))),
        st.just(("address", st.binary(min_size=20, max_size=20).map(address_from_bytes))),
    )


def grown(children):
    """
    Arrays and tuples of types.
    """
    return st.one_of(
        children.map(lambda t: (t[0] + "[]", st.lists(t[1], max_size=3).map(tuple))),
        children.map(lambda t: (t[0] + "[2]", st.tuples(t[1], t[1]))),
        st.lists(children, min_size=1, max_size=3).map(
            lambda ts: (f"({','.join(t[0] for t in ts)})", st.tuples(*(t[1] for t in ts)))
        ),
    )


TYPED_VALUES = st.lists(st.recursive(atoms(), grown, max_leaves=4), max_size=3).flatmap(
    lambda ts: st.tuples(st.just([t[0] for t in ts]), st.tuples(*(t[1] for t in ts)))
)


@given(TYPED_VALUES)
def test_decoding_undoes_encoding(typed):
    types, values = typed
    function = Function("f", tuple(Parameter(None, kind) for kind in types))

    data = encode_call(function, values)

    assert parse_function(function.signature) == function
    assert data == function.selector + oracle_encode(types, values)
    assert decode_call(function, data) == values


@given(TYPED_VALUES, st.data())
def test_any_changed_byte_changes_the_arguments_or_is_refused(typed, draw):
    types, values = typed
    function = Function("f", tuple(Parameter(None, kind) for kind in types))
    data = bytearray(encode_call(function, values))
    place = draw.draw(st.integers(0, len(data) - 1))
    data[place] ^= draw.draw(st.integers(1, 255))
    try:
        read = decode_call(function, bytes(data))
    except EncodingError:
        return
    assert read != values


@given(
    st.lists(st.recursive(atoms(), grown, max_leaves=4).map(lambda t: t[0]), max_size=3),
    st.lists(st.one_of(st.integers(0, 200), st.integers(0, 2**256 - 1)), max_size=12),
    st.binary(max_size=3),
)
def test_reading_raises_nothing_else(types, words, rest):
    data = b"".join(word.to_bytes(32, "big") for word in words) + rest
    try:
        values = read_all([parse_type(kind) for kind in types], data)
    except EncodingError:
        return
    assert oracle_encode(types, values) == data


def test_arrays_that_share_their_items_are_refused_at_once():
    """
    Offsets that all point to one place would let 2 KiB of data unfold into 64**6 values.
    """
    level = (64).to_bytes(32, "big") + (64 * 32).to_bytes(32, "big") * 64
    data = (32).to_bytes(32, "big") + level * 2
    function = parse_function("f(uint256[][][][][][])")

    with pytest.raises(EncodingError):
        decode_call(function, function.selector + data)


def test_refuses_trailing_bytes_and_another_selector():
    function = parse_function("f(uint256)")
    data = encode_call(function, [1])

    with pytest.raises(EncodingError, match="follow"):
        decode_call(function, data + b"\0")
    with pytest.raises(EncodingError, match="not a call of"):
        decode_call(function, b"\0" + data[1:])
    with pytest.raises(EncodingError, match="not a call of"):
        decode_call(function, b"")


def test_checking_policies_loads_no_encoder():
    code = (
        "import sys; import runner.ethereum.abi as abi, runner.ethereum.units, "
        "runner.ethereum.address, runner.ethereum.permissions;"
        "f = abi.parse_function('f(uint256 a)'); abi.check_argument('uint256', 1);"
        "heavy = {'eth_abi', 'coincurve', 'pydantic', 'eth_hash', 'Crypto', 'eth_account'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

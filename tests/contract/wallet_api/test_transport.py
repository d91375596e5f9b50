"""What leaves, over which connection, and how fast."""

import asyncio
import ssl
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runner.adapters.wallet_api.client import WalletApiClient
from runner.adapters.wallet_api.endpoint import Endpoint
from runner.adapters.wallet_api.transport import JsonRpcTransport, TokenBucket
from runner.errors import AnswerLost
from runner.ethereum.address import parse_address

OWNER = parse_address("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf")
KEY_PART = "s3cret-api-key"
CALL_ID = "0x" + 64 * "01"
STATUS = {
    "id": CALL_ID,
    "chainId": "0x1",
    "atomic": True,
    "status": 100,
    "details": {"type": "delegation"},
}


@pytest.fixture
def self_signed(tmp_path):
    """A TLS context for loopback whose certificate nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "certificate.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def test_a_certificate_that_nobody_vouches_for(self_signed, clock):
    """
    Nothing is sent to a server that cannot prove its name.
    """
    received = bytearray()

    async def connected(reader, writer):
        received.extend(await reader.read())
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=self_signed)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2"
    async with server, WalletApiClient(url=url, api_key="key", clock=clock) as client:
        with pytest.raises(AnswerLost, match="SSLCertVerificationError"):
            await client.send_prepared_calls(b"{}")

    assert received == b""


async def test_what_leaves(service, wallet):
    """
    A POST of JSON with the key in the header, uncompressed answers asked for, ids that count up.
    """
    service.default = service.answer(result=STATUS)

    await wallet.get_calls_status(CALL_ID)
    await wallet.get_calls_status(CALL_ID)

    first, second = service.requests
    assert first.path == f"/v2/{KEY_PART}-0123456789"
    assert first.headers["authorization"] == f"Bearer {KEY_PART}-0123456789"
    assert first.headers["content-type"] == "application/json"
    assert first.headers["accept-encoding"] == "identity"
    assert first.headers["host"] == service.url.removeprefix("http://")
    assert first.json["jsonrpc"] == "2.0"
    assert second.json["id"] == first.json["id"] + 1
    assert service.connections == 1


async def test_without_a_key_nothing_is_authorised(service, clock):
    """
    An independent endpoint never sees the wallet's key.
    """
    service.default = service.answer(result="0x1")
    async with JsonRpcTransport(Endpoint(service.url, None), clock=clock) as rpc:
        assert await rpc.call("eth_chainId", b"[]", repeat=True) == "0x1"

    assert "authorization" not in service.requests[0].headers


async def test_the_pool_serves_many_at_once(service, wallet):
    """
    Answers find their requests, whatever their order.
    """

    async def slow_for_some(request, writer):
        call_id = request.json["params"][0]
        await asyncio.sleep(0.05 if int(call_id, 16) % 2 else 0)
        result = {**STATUS, "id": call_id, "status": 100 + int(call_id, 16)}
        await service.answer(result=result)(request, writer)

    service.default = slow_for_some

    answers = await asyncio.gather(
        *(wallet.get_calls_status(f"0x{number:02x}") for number in range(1, 50))
    )

    assert [answer.code for answer in answers] == list(range(101, 150))


async def test_the_token_bucket_spaces_requests(clock):
    """
    A second's worth at once, then one by one, in order.
    """
    bucket = TokenBucket(4.0, clock)

    for _ in range(6):
        await bucket.take()

    assert clock.slept == pytest.approx([0.25, 0.25], abs=0.05)


async def test_the_rate_limit_holds_for_all_endpoints_of_a_profile(service, clock):
    """
    Evidence read through the wallet's endpoint counts as well.
    """
    service.results(wallet_getCallsStatus=STATUS, eth_chainId="0x1", eth_getBalance="0x5")
    async with WalletApiClient(
        url=service.url, api_key=None, clock=clock, rate_limit=1.0
    ) as client:
        await client.get_calls_status(CALL_ID)
        await client.chain_reader(1).balance(OWNER, None)

    assert len(service.requests) == 3
    assert clock.slept == pytest.approx([1.0, 1.0], abs=0.05)


def test_an_endpoint_shows_scheme_host_and_port():
    """
    Nothing else of it is in its name.
    """
    endpoint = Endpoint("https://user:password@host.example:8443/v2/s3cret-api-key?k=v", None)

    assert endpoint.origin == "https://host.example:8443"
    assert repr(endpoint) == "<Endpoint https://host.example:8443>"

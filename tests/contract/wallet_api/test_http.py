"""One exchange after another over kept connections, whatever the bytes look like."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from runner.adapters.wallet_api.endpoint import Endpoint
from runner.adapters.wallet_api.http import Broken, HttpPost, TooLong

BODY = b'{"jsonrpc":"2.0","id":1,"result":"0x1"}'
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\n%b\r\n%x;x=y\r\n%b\r\n0\r\nTrailer: z\r\n\r\n"
) % (BODY[:5], len(BODY) - 5, BODY[5:])


class Server:
    """Answers each request by the next of its `answers`, in the pieces that it is given."""

    def __init__(self):
        self.answers = []
        self.heads = []
        self.connections = 0
        self.url = ""
        self.open = set()
        self.ended = asyncio.Event()

    async def __call__(self, reader, writer):
        self.connections += 1
        self.open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                for piece in self.answers.pop(0):
                    if piece is None:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await self.end(writer)

    async def end(self, writer):
        self.open.discard(writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self.ended.set()


@pytest.fixture
async def server():
    one = Server()
    async with await asyncio.start_server(one, "127.0.0.1", 0) as listening:
        one.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v2/key"
        yield one
        while one.open:
            await one.end(next(iter(one.open)))


@asynccontextmanager
async def posting(server, *, seconds=5):
    post = HttpPost(max_answer_bytes=1000)
    endpoint = Endpoint(server.url, None)
    try:
        yield lambda: post(endpoint, b"{}", seconds)
    finally:
        await post.aclose()


@pytest.mark.parametrize("answer", [SIZED, CHUNKED], ids=["sized", "chunked"])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_an_answer_may_come_in_any_pieces(answer, size, server):
    """
    Byte by byte or at once: it is the same, and the connection serves the next one.
    """
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    server.answers = [pieces, pieces]

    async with posting(server) as post:
        answers = [await post(), await post()]

    assert [(one.status, one.body) for one in answers] == 2 * [(200, BODY)]
    assert server.connections == 1


@pytest.mark.parametrize("early", [100, 103])
async def test_what_only_announces_an_answer_is_passed_over(early, server):
    """
    100 Continue and 103 Early Hints come before the answer that counts.
    """
    server.answers = [[b"HTTP/1.1 %d X\r\nLink: </x>\r\n\r\n" % early, SIZED]]

    async with posting(server) as post:
        answer = await post()

    assert (answer.status, answer.body) == (200, BODY)


async def test_an_answer_without_a_length_ends_with_its_connection(server):
    """
    As HTTP/1.0 has it; the next request takes a connection of its own.
    """
    server.answers = [[b"HTTP/1.1 200 OK\r\n\r\n" + BODY, None], [SIZED]]

    async with posting(server) as post:
        answers = [await post(), await post()]

    assert [one.body for one in answers] == [BODY, BODY]
    assert server.connections == 2


@pytest.mark.parametrize(
    "pieces",
    [
        [None],
        [b"HTTP/1.1 200", None],
        [SIZED[:-1], None],
        [CHUNKED[:-2], None],
        [b"SSH-2.0-OpenSSH_9.9\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"],
        [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", None],
    ],
)
async def test_half_an_answer_is_none(pieces, server):
    """
    It is lost, at once and by name; the next request goes by another connection.
    """
    server.answers = [pieces, [SIZED]]

    async with posting(server) as post:
        with pytest.raises(Broken):
            await post()
        answer = await post()

    assert answer.body == BODY
    assert server.connections == 2


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + 1001 * b"x"],
        [CHUNKED.split(b"5\r\n")[0] + 20 * (b"40\r\n" + 64 * b"x" + b"\r\n")],
        [b"HTTP/1.1 200 OK\r\n" + 100 * (b"X-Long: " + 1000 * b"x" + b"\r\n")],
        [b"HTTP/1.1 200 OK\r\nX-Long: ", *(100 * [1000 * b"x"])],
        [100 * (b"HTTP/1.1 100 Continue\r\nX: " + 1000 * b"x" + b"\r\n\r\n")],
    ],
    ids=["sized", "chunked", "headers", "header", "announcements"],
)  # fmt: skip
async def test_no_more_is_read_than_is_allowed(pieces, server):
    """
    Bodies, headers and announcements without end are cut off.
    """
    server.answers = [[*pieces, SIZED], [SIZED]]

    async with posting(server) as post:
        with pytest.raises(TooLong, match="1000 bytes"):
            await post()
        answer = await post()

    assert answer.body == BODY
    assert server.connections == 2


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\n", SIZED, b"\x00"])
async def test_what_nobody_asked_for_is_never_the_next_answer(extra, server):
    """
    Bytes after an answer close its connection, those in the same piece too.
    """
    server.answers = [[SIZED + extra], [SIZED]]

    async with posting(server) as post:
        try:
            first = await post()
        except Broken:
            first = None
        second = await post()

    assert first is None or first.body == BODY
    assert second.body == BODY
    assert server.connections == 2


async def test_bytes_that_come_while_nobody_asks_close_the_connection(server):
    """
    Later than the answer, before the next request.
    """
    go, closed = asyncio.Event(), asyncio.Event()

    async def late(reader, writer):
        server.connections += 1
        server.open.add(writer)
        await reader.readuntil(b"{}")
        writer.write(SIZED)
        await go.wait()
        writer.write(SIZED)
        with suppress(ConnectionError):
            await reader.read()
        closed.set()
        await server.end(writer)

    async with await asyncio.start_server(late, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        async with posting(server) as post:
            await post()
            go.set()
            await closed.wait()
            await post()

    assert server.connections == 2


@pytest.mark.parametrize("head", [b"Connection: close\r\n", b""], ids=["said", "unsaid"])
async def test_a_connection_that_the_server_closes_is_not_used_again(head, server):
    """
    Said in the answer, or found out while it was idle.
    """
    closing = SIZED.replace(b"OK\r\n", b"OK\r\n" + head)
    server.answers = [[closing, None], [SIZED]]

    async with posting(server) as post:
        await post()
        await server.ended.wait()
        await asyncio.sleep(0.01)  # for what its end has sent
        answer = await post()

    assert answer.body == BODY
    assert server.connections == 2


async def test_an_exchange_that_is_given_up_takes_its_connection_along(server):
    """
    What still comes on it would be taken for the answer to the next request.
    """
    server.answers = [[SIZED[:-1]], [SIZED]]

    async with posting(server, seconds=0.2) as post:
        with pytest.raises(TimeoutError):
            await post()
        answer = await post()

    assert answer.body == BODY
    assert server.connections == 2


async def test_a_name_with_several_addresses(server):
    """
    `localhost` may mean ::1 first, where nobody listens.
    """
    server.url = server.url.replace("127.0.0.1", "localhost")
    server.answers = [[SIZED]]

    async with posting(server) as post:
        assert (await post()).body == BODY

    assert b"\r\nHost: localhost:" in server.heads[0]


async def test_more_than_the_pool_holds_wait_for_their_turn(server):
    """
    Never more than 64 connections.
    """
    server.answers = [[SIZED]] * 200

    async with posting(server) as post:
        answers = await asyncio.gather(*(post() for _ in range(200)))

    assert {one.body for one in answers} == {BODY}
    assert server.connections <= 64


async def test_a_turn_that_is_given_up_is_not_lost(server):
    """
    Whoever waits for one waits no longer than it may, or goes away; whoever comes next gets it.
    """
    full, everybody, here = asyncio.Event(), asyncio.Event(), []

    async def silent(reader, writer):
        server.open.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"{}")
            here.append(writer)
            if len(here) == 64:
                full.set()
            if len(here) == 2 * 64:
                everybody.set()
            if len(here) > 64:
                await everybody.wait()
                writer.write(SIZED)
            await reader.read()
        await server.end(writer)

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        async with posting(server, seconds=2) as post:
            served = [asyncio.create_task(post()) for _ in range(64)]
            waiting = [asyncio.create_task(post()) for _ in range(3)]
            await full.wait()
            waiting[0].cancel()
            ended = await asyncio.gather(*served, *waiting, return_exceptions=True)
            answers = await asyncio.gather(*(post() for _ in range(64)))

    assert [type(one) for one in ended[:64]] == 64 * [TimeoutError]
    assert isinstance(ended[64], asyncio.CancelledError)
    assert [type(one) for one in ended[65:]] == 2 * [TimeoutError]
    assert {one.body for one in answers} == {BODY}


@pytest.mark.parametrize(
    ("url", "target", "host", "origin"),
    [
        ("https://h.example/v2/k", "/v2/k", "h.example", "https://h.example"),
        ("https://H.example:443/", "/", "h.example", "https://h.example"),
        ("https://h.example:8443?a=b", "/?a=b", "h.example:8443", "https://h.example:8443"),
        ("http://[::1]:80/x y/%2F", "/x%20y/%2F", "[::1]", "http://[::1]"),
        ("http://bücher.example/ü", "/%C3%BC", "xn--bcher-kva.example", "http://xn--bcher-kva.example"),
    ],
)  # fmt: skip
def test_how_a_url_becomes_a_request(url, target, host, origin):
    """
    What is not percent-encoded is encoded; a default port is left out.
    """
    endpoint = Endpoint(url, "k" * 10)
    lines = endpoint.head.decode().split("\r\n")

    assert lines[:2] == [f"POST {target} HTTP/1.1", f"Host: {host}"]
    assert lines[-2:] == ["Authorization: Bearer kkkkkkkkkk", "Content-Length: "]
    assert endpoint.origin == origin


def test_user_and_password_of_a_url_are_sent_as_such():
    """
    RFC 7617: base64 of both, percent-encoding undone.
    """
    endpoint = Endpoint("https://us%40er:p%3Ass@h.example/", None)

    assert b"\r\nAuthorization: Basic dXNAZXI6cDpzcw==\r\n" in endpoint.head
    assert "pass:word" not in Endpoint("https://u:pass%3Aword@h", None).redacted("pass:word?")
    assert "p%3Ass" not in endpoint.redacted("your URL is https://us%40er:p%3Ass@h.example/")

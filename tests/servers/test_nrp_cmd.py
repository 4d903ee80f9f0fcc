"""What nrp-cmd does wrong and this package works round: each test fails when that is mended upstream.

Then the workaround that it names may go, and the test with it.
"""

import asyncio
import contextlib

import pytest
from nrp_cmd.async_client import get_async_client
from nrp_cmd.config import RepositoryConfig
from nrp_cmd.errors import RepositoryError
from yarl import URL

from sandbox import launcher
from sandbox.settings import Settings
from servers.fault_proxy import fault_proxy
from servers.faults import Fault, refusal
from servers.raw_api import document

RETRIES = 2
CONTENT = {"method": "PUT", "path": "/content$"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A sandbox that tells of itself what a plain InvenioRDM tells."""
    settings = Settings(index_lag_s=0, rate_limits=(), discovery=False, body_timeout_s=2)
    started = launcher.start(tmp_path_factory.mktemp("plain"), settings=settings)
    yield started
    started.stop()


@pytest.fixture
def proxy(plain):
    with fault_proxy(plain.url) as standing:
        yield standing


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.al"
    path.write_bytes(bytes(300_000))
    return path


def using(proxy, plain, action):
    """Run `action(client)` with a client as nrp-cmd's manual makes it."""

    async def opened():
        config = RepositoryConfig(alias="target", url=URL(proxy.url), token=plain.token)
        client = await get_async_client(config)
        for part in (client.records, client.files):
            part._connection.retry_count, part._connection.retry_after_seconds = RETRIES, 0
        return await action(client)

    return asyncio.run(opened())


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_content_that_is_refused_counts_as_sent(proxy, plain, file, status):
    """`RepositoryFiles._put` uses `put` in place of `put_stream`, whose answers are judged."""
    proxy.add(Fault("refused", **CONTENT, **refusal(status, "no"), times=None))

    async def upload(client):
        record = await client.records.create(document())
        with contextlib.suppress(RepositoryError, ExceptionGroup):
            await client.files.upload(record, file.name, {}, file)

    using(proxy, plain, upload)
    assert proxy.requests("POST", "/a.al/commit")


def test_a_request_may_take_five_minutes_and_no_longer(proxy, plain):
    """`HttpSession` has sessions of its own, without a total limit."""

    async def total(client):
        async with client.records._connection._client() as session:
            return session.timeout.total

    assert using(proxy, plain, total) == 300


def test_each_request_opens_a_connection_of_its_own(proxy, plain):
    """`_Connection._client` gives one session to all requests."""

    async def sessions(client):
        connection = client.records._connection
        async with connection._client() as one:
            pass
        async with connection._client() as other:
            return one is other

    assert not using(proxy, plain, sessions)


def test_a_body_whose_answer_was_lost_is_sent_again_by_itself(proxy, plain, file):
    """`SendOnce` cannot be sent a second time: nobody would know of it."""
    proxy.add(Fault("lost", **CONTENT, drop_answer=True))

    async def upload(client):
        record = await client.records.create(document())
        async with asyncio.timeout(60):
            await client.files.upload(record, file.name, {}, file)

    using(proxy, plain, upload)
    assert len(proxy.requests("PUT", "/content")) == 2


def test_publishing_fails_on_a_plain_invenio(proxy, plain):
    """`RepositoryReviews.publish` follows the draft's own link."""

    async def publish(client):
        record = await client.records.create(document())
        with pytest.raises(KeyError, match="requests"):
            await client.records.publish(record)

    using(proxy, plain, publish)


def test_what_the_repository_objects_to_in_a_new_draft_is_not_raised(proxy, plain):
    """`RemoteRecord.errors` keeps it, and `Deposit` gives the draft the metadata once more and raises."""

    async def create(client):
        return await client.records.create(document(creators=None))

    assert using(proxy, plain, create).id


def test_a_request_that_is_told_to_slow_down_waits_a_second_longer_and_is_tried_more_often_than_allowed(proxy, plain):
    """`_Response` tells it to wait -1 s: `HttpSession` has everybody wait as the repository asked."""
    slow_down = {**refusal(429, "slow down"), "headers": {"Retry-After": "0"}}
    proxy.add(Fault("busy", method="GET", path="/api/records/none", **slow_down, times=RETRIES))

    async def read(client):
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with contextlib.suppress(RepositoryError, ExceptionGroup):
            await client.records._connection.get(url=URL(proxy.url) / "api/records/none", result_class=dict)
        return loop.time() - begun

    assert using(proxy, plain, read) >= RETRIES
    assert len(proxy.requests("GET", "/api/records/none")) > RETRIES


def test_a_cancellation_is_swallowed_by_the_retry_loop(proxy, plain):
    """`FileDeposit` never cancels: files that are on their way are broken off by their bodies."""
    proxy.add(Fault("slow", method="GET", path="/api/records/slow", hold_answer_s=1.0, times=None))

    async def cancel(client):
        slow = client.records._connection.get(url=URL(proxy.url) / "api/records/slow", result_class=dict)
        request = asyncio.create_task(slow)
        await asyncio.sleep(0.3)
        request.cancel()
        done = await asyncio.gather(request, return_exceptions=True)
        return isinstance(done[0], asyncio.CancelledError)

    assert not using(proxy, plain, cancel)

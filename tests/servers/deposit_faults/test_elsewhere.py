"""Fault 35: whoever is not the repository gets neither a token nor a byte."""

import ssl
import subprocess
from dataclasses import replace

import pytest

from ferry.errors import PermanentError
from servers.deposit_faults.cargo import Cargo, seen_through
from servers.deposit_faults.test_every_request import REQUESTS
from servers.fault_proxy import fault_proxy
from servers.faults import Fault


@pytest.mark.parametrize("what", ["search", "create", "init", "content", "publish"])
def test_a_redirect_to_another_host_is_refused_and_nobody_is_asked_there(line, what):
    cargo = Cargo()
    with fault_proxy(line.proxy.target) as other:
        away = Fault("away", **REQUESTS[what], status=302, headers={"Location": f"{other.url}/api/records"}, times=None)
        outcome = line.attempt(cargo, away)
        assert other.log == []
    assert isinstance(outcome, PermanentError)
    assert "another host" in str(outcome)
    assert away.fired == 1
    line.settle(cargo)


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_asked(line, tmp_path):
    cargo = Cargo()
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=127.0.0.1"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with fault_proxy(line.proxy.target, tls=context) as proxy:
        info = seen_through(line.carrier.info, server=line.proxy.url, proxy=proxy.url)
        behind_tls = replace(line, proxy=proxy, carrier=replace(line.carrier, url=proxy.url, info=info))
        outcome = behind_tls.attempt(cargo)
        assert proxy.log == []
    assert isinstance(outcome, PermanentError)
    assert "certificate" in str(outcome)
    line.settle(cargo)

"""The MQTT broker from outside: mosquitto's own clients on the gateway, as devices, as the gateway and as nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shlex
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from testinfra.backend.base import CommandResult
from testinfra.host import Host

from tests.plant.inventory import Plant

NOT_AUTHORISED = 135


@dataclass(frozen=True)
class Device:
    id: str
    line: str
    password: str = field(repr=False)

    @property
    def topic(self) -> str:
        return f"plant/{self.line}/{self.id}"


@dataclass(frozen=True)
class Broker:
    """mosquitto_pub and mosquitto_sub on the gateway."""

    host: Host
    address: str
    gateway_password: str = field(repr=False)

    def options(self, user: str = "", password: str = "") -> list[str]:
        login = ["-u", user, "-P", password] if user else []
        return ["-h", self.address, "-p", "8883", "-V", "mqttv5", "--cafile", "/etc/kojo/pki/ca.crt", *login]

    def publisher(self, topic: str, message: str, user: str = "", password: str = "") -> str:
        return shlex.join(["mosquitto_pub", *self.options(user, password), "-q", "1", "-t", topic, "-m", message])

    def publish(self, topic: str, message: str, user: str = "", password: str = "") -> CommandResult:
        return self.host.run(self.publisher(topic, message, user, password))

    def received(self, publishers: list[str]) -> str:
        """What the gateway's account receives while others publish."""
        name = f"test-{uuid.uuid4()}"
        subscriber = [
            *("mosquitto_sub", *self.options("gateway", self.gateway_password)),
            *("-i", name, "-c", "-x", "60", "-q", "1", "-t", "plant/#", "-v"),
        ]
        # a session that lasts: what is published between the two connections waits for the second one
        self.host.run(shlex.join([*subscriber, "-E"]))
        self.host.run("; ".join(publishers))
        return str(self.host.run(shlex.join([*subscriber, "-W", "2"])).stdout)


@pytest.fixture
def devices(plant: Plant) -> list[Device]:
    seed = plant.secrets["mosquitto_device_password_seed"]

    def password(device: str) -> str:
        digest = hmac.new(seed.encode(), f"mqtt device {device}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    return [
        Device(equipment["id"], line["id"], password(equipment["id"]))
        for line in plant.vars["plant_lines"]
        for equipment in line["equipment"]
    ]


@pytest.fixture
def broker(plant: Plant, host: Callable[[str], Host]) -> Broker:
    name = plant.groups["gateway"][0]
    return Broker(host(name), plant.address(name), plant.secrets["mosquitto_gateway_password"])


@pytest.fixture
def message() -> str:
    return str(uuid.uuid4())


def test_every_device_reaches_the_gateway_and_only_from_its_own_topic(
    broker: Broker, devices: list[Device], message: str
) -> None:
    publishers = [
        broker.publisher(f"{topic}/test", f"{message} from {device.id}", device.id, device.password)
        for device, other in zip(devices, devices[1:] + devices[:1], strict=True)
        for topic in (device.topic, other.topic, f"plant/{device.line}", "other")
    ]
    received = [line for line in broker.received(publishers).splitlines() if message in line]
    assert sorted(received) == sorted(f"{device.topic}/test {message} from {device.id}" for device in devices)


def test_a_device_hears_nothing(broker: Broker, devices: list[Device], message: str) -> None:
    device, other = devices[0], devices[-1]
    listen = ["mosquitto_sub", *broker.options(device.id, device.password), "-t", "plant/#", "-W", "2"]
    send = broker.publisher(f"{other.topic}/test", message, other.id, other.password)
    assert broker.host.run(f"(sleep 1; {send}) & {shlex.join(listen)}").stdout == ""


def test_the_gateway_says_nothing(broker: Broker, devices: list[Device], message: str) -> None:
    answer = broker.publish(f"{devices[0].topic}/test", message, "gateway", broker.gateway_password)
    assert "Not authorized" in answer.stderr


def test_another_line_is_denied(broker: Broker, devices: list[Device], message: str) -> None:
    device, stranger = devices[0], next(device for device in devices if device.line != devices[0].line)
    assert "Not authorized" in broker.publish(f"{stranger.topic}/test", message, device.id, device.password).stderr
    assert broker.publish(f"{device.topic}/test", message, device.id, device.password).stderr == ""


@pytest.mark.parametrize("user", ["", "gateway", "nobody", "device"])
def test_nobody_is_let_in_without_the_right_password(
    broker: Broker, devices: list[Device], user: str, message: str
) -> None:
    device = devices[0]
    name = device.id if user == "device" else user
    assert broker.publish(f"{device.topic}/test", message, name, message).rc == NOT_AUTHORISED


def test_a_password_of_another_device_is_wrong(broker: Broker, devices: list[Device], message: str) -> None:
    device, other = devices[0], devices[1]
    assert broker.publish(f"{device.topic}/test", message, device.id, other.password).rc == NOT_AUTHORISED


def test_plain_text_is_refused(broker: Broker, devices: list[Device], message: str) -> None:
    device = devices[0]
    words = ["mosquitto_pub", "-h", broker.address, "-p", "8883", "-u", device.id, "-P", device.password]
    assert broker.host.run(shlex.join([*words, "-t", f"{device.topic}/test", "-m", message])).failed
    assert ":1883" not in broker.host.check_output("ss -ltn")


@pytest.mark.parametrize(("version", "outcome"), [("TLSv1_2", "TLSV1_ALERT_PROTOCOL_VERSION"), ("TLSv1_3", "TLSv1.3")])
def test_only_tls_1_3_is_spoken(broker: Broker, version: str, outcome: str) -> None:
    code = (
        "import socket, ssl; context = ssl.create_default_context(cafile='/etc/kojo/pki/ca.crt'); "
        f"context.maximum_version = ssl.TLSVersion.{version}; "
        f"plain = socket.create_connection(('{broker.address}', 8883), 5); "
        f"print(context.wrap_socket(plain, server_hostname='{broker.address}').version())"
    )
    done = broker.host.run(f"python3 -c {shlex.quote(code)}")
    assert outcome in done.stdout + done.stderr


def test_a_packet_that_is_too_long_is_refused(broker: Broker, devices: list[Device]) -> None:
    """By MQTT 3.1.1: a client of version 5 is told the limit, and doesn't even send."""
    device = devices[0]
    login = [*broker.options(device.id, device.password), "-V", "mqttv311"]
    send = shlex.join(["mosquitto_pub", *login, "-q", "1", "-t", f"{device.topic}/test", "-s"])
    assert broker.host.run(f"head -c 60000 /dev/zero | {send}").succeeded
    assert broker.host.run(f"head -c 70000 /dev/zero | {send}").failed


def test_a_reload_keeps_the_connections(broker: Broker, devices: list[Device], message: str) -> None:
    device = devices[0]
    listen = ["mosquitto_sub", *broker.options("gateway", broker.gateway_password)]
    listen += ["-t", f"{device.topic}/test", "-C", "1", "-W", "8"]
    send = broker.publisher(f"{device.topic}/test", message, device.id, device.password)
    heard = broker.host.run(f"(sleep 1; systemctl reload mosquitto; sleep 1; {send}) & {shlex.join(listen)}")
    assert heard.stdout.strip() == message


def test_no_process_of_the_broker_is_root(broker: Broker) -> None:
    assert set(broker.host.check_output("ps -C mosquitto -o user:20=").split()) == {"mosquitto"}

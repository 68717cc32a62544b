#!/usr/bin/python3
"""Receives Alertmanager's notifications and writes each alert to the journal as one line of JSON.

Only a client with a certificate of the plant's authority is let in.
"""

from __future__ import annotations

import argparse
import json
import ssl
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MAX_BODY = 4 * 1024 * 1024


def lines(body: bytes) -> list[str]:
    """One line an alert of a notification; what is not a notification is a ValueError."""
    message = json.loads(body)
    alerts = message.get("alerts") if isinstance(message, dict) else None
    if not isinstance(alerts, list) or not all(isinstance(alert, dict) for alert in alerts):
        raise ValueError("not a notification of Alertmanager")
    keys = ("status", "startsAt", "endsAt", "labels", "annotations")
    return [json.dumps({key: alert.get(key) for key in keys}, ensure_ascii=False) for alert in alerts]


class Receiver(BaseHTTPRequestHandler):
    timeout = 10

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.send_error(413)
            return
        try:
            written = lines(self.rfile.read(length))
        except ValueError as error:
            self.send_error(400, str(error))
            return
        for line in written:
            print(line, flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Alerts are the log."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], context: Callable[[], ssl.SSLContext]) -> None:
        super().__init__(address, Receiver)
        self.context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        # the handshake belongs to the connection's own thread: a slow client holds up nobody
        request.settimeout(Receiver.timeout)
        with self.context().wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        print(f"refused {client_address[0]}: {sys.exc_info()[1]}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    arguments = parser.parse_args()

    def context() -> ssl.SSLContext:
        """Made for each connection: a renewed certificate needs no restart."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_3
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(arguments.ca)
        made.load_cert_chain(arguments.certificate, arguments.key)
        return made

    Server(("127.0.0.1", arguments.port), context).serve_forever()


if __name__ == "__main__":
    main()

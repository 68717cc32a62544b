# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Options of modules that talk to one daemon by HTTPS with the host's certificate."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  url:
    description: The daemon's address, C(https://address:port).
    type: str
    required: true
  ca_file:
    description: The certificate authority that signed the daemon's certificate.
    type: path
    required: true
  cert_file:
    description: The client certificate.
    type: path
  key_file:
    description: The client certificate's key.
    type: path
  timeout:
    description: How long to wait for the daemon and its cluster to be ready, in seconds.
    type: int
    default: 60
"""

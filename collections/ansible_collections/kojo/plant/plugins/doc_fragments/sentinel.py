# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Options of modules that talk to Sentinels."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  port:
    description: Sentinel's TLS port.
    type: int
    default: 26379
  username:
    description: ACL user to log in as.
    type: str
    required: true
  password:
    description: Its password.
    type: str
    required: true
  ca_file:
    description: The certificate authority that signed Sentinel's certificate.
    type: path
    required: true
  cert_file:
    description: The client certificate.
    type: path
  key_file:
    description: The client certificate's key.
    type: path
"""

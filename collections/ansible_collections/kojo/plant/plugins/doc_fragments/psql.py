# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Options of modules that run statements as the server's own user, on the server's socket."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  server_user:
    description: The operating system's user whose peer login is the superuser's.
    type: str
    default: postgres
  socket_directory:
    description: Folder of the server's socket.
    type: path
    default: /run/postgresql
"""

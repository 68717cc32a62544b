"""What a person acknowledges at the first login (21 CFR 11.10(j)). Another text gets another version."""

from __future__ import annotations

VERSION = "2026-1"
TEXT = {
    "en": (
        "My account is mine alone; I let nobody else use it and tell nobody my password. My electronic signature binds "
        "me as my handwritten one does. I answer for what is done and signed under my account, and report at once when "
        "I suspect that somebody else uses it."
    ),
    "ja": (
        "私のアカウントは私だけのものであり、他人に使用させず、パスワードを誰にも教えません。私の電子署名は手書きの署名と同等の"
        "拘束力を持ちます。私のアカウントで行われた操作と署名について責任を負い、他人による使用が疑われる場合は直ちに報告します。"
    ),
}

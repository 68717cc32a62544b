"""A controlled copy of a change request on paper, in English and Japanese, with its signatures shown (11.50(b))."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from kojo_mes.changes.schemas import ControlledCopy
from kojo_mes.kit.paper import Paper
from kojo_mes.signatures.schemas import VerifiedSignature

WIDTHS = (68, 122)  # mm: what it is, and what is said
SIGNATURE_WIDTHS = (16, 78, 96)
SIGNATURE_HEAD = (
    "Revision\n版",
    "Name (role) · meaning · time\n氏名（役割）・意味・日時",
    "Digest of the signed record (SHA-256), and as verified now\n署名された記録のダイジェスト・検証結果",
)
LABELS = {
    "document": "文書",
    "revision": "版",
    "status": "状態",
    "author": "起案者",
    "revised_at": "改訂日時 (UTC)",
    "record_digest": "記録のダイジェスト (SHA-256)",
    "retention_years": "保存年数",
    "copied_at": "写しの作成日時 (UTC)",
    "copied_by": "写しの作成者",
    "what": "内容",
    "why": "理由",
    "impact": "影響",
    "rollback_plan": "切戻し計画",
    "artefact_digest": "成果物のダイジェスト (SHA-256)",
    "plant": "工場",
    "window_start": "実施期間の始め (UTC)",
    "window_end": "実施期間の終わり (UTC)",
    "during_production": "生産中の実施",
    "at": "日時 (UTC)",
    "by": "実施者",
    "reference": "参照",
    "person": "責任者",
    "role": "役割",
    "reason": "理由",
    "until": "期限 (UTC)",
    "review": "レビュー",
    "review_due_at": "レビュー期限 (UTC)",
    "reviewed_by": "レビュー者",
    "reviewed_at": "レビュー日時 (UTC)",
    "conclusion": "結論",
}


def pdf(copy: ControlledCopy, font: Path) -> bytes:
    """FontMissing."""
    paper = Paper(font, "portrait")
    paper.set_title(copy.control.document)
    paper.heading("Change request · 変更要求", 14)
    _section(paper, "Document control · 文書管理", copy.control)
    for revision in copy.revisions:
        _section(paper, f"Revision · 版 {revision.revision}", revision.content, revision.record_digest)
    change = copy.change
    if change.use:
        _section(paper, "Use · 実施", change.use)
    if change.break_glass:
        _section(paper, "Break-glass · 緊急実施", change.break_glass)
    if change.closing_note:
        _heading(paper, "Closing note · 完了報告")
        paper.multi_cell(0, text=change.closing_note, align="LEFT", new_x="LMARGIN", new_y="NEXT")
    _heading(paper, "Electronic signatures · 電子署名")
    if copy.signatures:
        paper.rows(SIGNATURE_WIDTHS, [_signed(signature) for signature in copy.signatures], SIGNATURE_HEAD)
    else:
        paper.multi_cell(0, text="none · なし", new_x="LMARGIN", new_y="NEXT")
    return bytes(paper.output())


def _section(paper: Paper, title: str, model: BaseModel, record_digest: str | None = None) -> None:
    said = model.model_dump(mode="json") | ({"record_digest": record_digest} if record_digest else {})
    _heading(paper, title)
    paper.rows(WIDTHS, [(f"{name} · {LABELS[name]}", _shown(value)) for name, value in said.items()])


def _heading(paper: Paper, title: str) -> None:
    paper.ln(4)
    paper.heading(title, 11)


def _shown(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes · はい" if value else "no · いいえ"
        case _:
            return str(value)


def _signed(signature: VerifiedSignature) -> tuple[str, ...]:
    return (
        str(signature.record_version),
        signature.manifestation,
        f"{signature.record_digest}\n{signature.validity}: {signature.reason}",
    )

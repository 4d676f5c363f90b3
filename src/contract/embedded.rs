//! The contracts and fixtures that the program carries, so that it can be held to them with nothing but itself.

use std::sync::LazyLock;

use super::document::Document;

macro_rules! embedded {
    ($($path:literal)*) => {
        &[$(($path, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path)))),*]
    };
}

type Files = &'static [(&'static str, &'static [u8])];

/// Every contract, by its path from the top of the repository.
#[rustfmt::skip]
pub static CONTRACTS: Files = embedded! {
    "contracts/annex-iv-mapping-v1.json"
    "contracts/aprt-stage-v1.json"
    "contracts/archive-v1.json"
    "contracts/contract-format-v1.json"
    "contracts/exit-codes-v1.json"
    "contracts/pack-layout-v1.json"
    "contracts/pack-ledger-v1.json"
    "contracts/pack-manifest-v1.json"
    "contracts/pack-seal-v1.json"
    "contracts/receipt-v0.8.json"
    "contracts/reconcile-rules-v1.json"
    "contracts/strict-verify-v1.json"
    "contracts/verify-json-v1.json"
};

/// Every fixture that a contract names.
#[rustfmt::skip]
pub static FIXTURES: Files = embedded! {
    "fixtures/bad/0-unit-without-a-weight/receipt.jsonl"
    "fixtures/bad/0.8-probability-above-one/receipt.jsonl"
    "fixtures/bad/0.9-unit-left-out/receipt.jsonl"
    "fixtures/bad/1-factor-under-another-name/receipt.jsonl"
    "fixtures/bad/10-step-left-out/trace.jsonl"
    "fixtures/bad/11-probabilities-of-a-sigmoid/receipt.jsonl"
    "fixtures/bad/12-targets-changed-after-the-step/receipt.jsonl"
    "fixtures/bad/13-dual-form-at-a-sigmoid/receipt.jsonl"
    "fixtures/bad/14-hidden-signal-forged-with-all-that-follows/receipt.jsonl"
    "fixtures/bad/15-reproduced-byte-for-byte-and-not-canonical/receipt.jsonl"
    "fixtures/bad/16-note-added-around-the-digest/receipt.jsonl"
    "fixtures/bad/17-import-slipped-into-a-trace-of-the-engine/trace.jsonl"
    "fixtures/bad/18-loss-of-a-sample-left-out/receipt.jsonl"
    "fixtures/bad/19-samples-of-no-batch/receipt.jsonl"
    "fixtures/bad/2-signal-left-out/receipt.jsonl"
    "fixtures/bad/20-buffer-of-plain-sgd/receipt.jsonl"
    "fixtures/bad/21-look-ahead-done-and-not-said/receipt.jsonl"
    "fixtures/bad/22-betas-swapped/receipt.jsonl"
    "fixtures/bad/23-time-step-counted-from-zero/receipt.jsonl"
    "fixtures/bad/24-step-up-the-hill/receipt.jsonl"
    "fixtures/bad/25-buffer-forgotten-between-steps/trace.jsonl"
    "fixtures/bad/26-optimizer-taken-up-in-the-middle/trace.jsonl"
    "fixtures/bad/3-derivative-of-a-unit-that-is-off/receipt.jsonl"
    "fixtures/bad/4-factor-left-out/receipt.jsonl"
    "fixtures/bad/5-decay-done-and-not-said/receipt.jsonl"
    "fixtures/bad/6-decay-of-another-adamw/receipt.jsonl"
    "fixtures/bad/7-parameter-left-out/receipt.jsonl"
    "fixtures/bad/8-factor-from-nowhere/receipt.jsonl"
    "fixtures/bad/9-first-two-steps-forgotten/trace.jsonl"
    "fixtures/contract/archive/bytes-behind-its-end.tar.gz"
    "fixtures/contract/archive/climbs-out.tar.gz"
    "fixtures/contract/archive/cut.tar.gz"
    "fixtures/contract/archive/link.tar.gz"
    "fixtures/contract/archive/manifest-last.tar.gz"
    "fixtures/contract/archive/name-twice.tar.gz"
    "fixtures/contract/archive/no-archive.tar.gz"
    "fixtures/contract/format/key-twice.json"
    "fixtures/contract/format/status-of-no-kind.json"
    "fixtures/contract/format/unknown-key.json"
    "fixtures/contract/pack/annex-status-raised.edits.json"
    "fixtures/contract/pack/annex-taken-out.edits.json"
    "fixtures/contract/pack/byte-of-the-evidence.edits.json"
    "fixtures/contract/pack/byte-of-the-verdict.edits.json"
    "fixtures/contract/pack/case-twin.edits.json"
    "fixtures/contract/pack/contracts-edited.edits.json"
    "fixtures/contract/pack/empty-folder.edits.json"
    "fixtures/contract/pack/file-added.edits.json"
    "fixtures/contract/pack/file-changed.edits.json"
    "fixtures/contract/pack/file-longer.edits.json"
    "fixtures/contract/pack/file-removed.edits.json"
    "fixtures/contract/pack/ledger-climbs-out.edits.json"
    "fixtures/contract/pack/ledger-in-another-order.edits.json"
    "fixtures/contract/pack/ledger-line-left-out.edits.json"
    "fixtures/contract/pack/ledger-of-another-digest.edits.json"
    "fixtures/contract/pack/ledger-with-more-at-its-end.edits.json"
    "fixtures/contract/pack/ledger-with-one-space.edits.json"
    "fixtures/contract/pack/link-added.edits.json"
    "fixtures/contract/pack/manifest-gone.edits.json"
    "fixtures/contract/pack/manifest-of-another-format.edits.json"
    "fixtures/contract/pack/manifest-of-another-verdict.edits.json"
    "fixtures/contract/pack/manifest-with-a-key-twice.edits.json"
    "fixtures/contract/pack/manifest-with-a-line-end.edits.json"
    "fixtures/contract/pack/manifest-with-an-unknown-key.edits.json"
    "fixtures/contract/pack/name-with-a-line-end.edits.json"
    "fixtures/contract/pack/one-byte-for-every-format.edits.json"
    "fixtures/contract/pack/seal-taken-off.edits.json"
    "fixtures/contract/pack/seal-with-a-flipped-bit.edits.json"
    "fixtures/contract/pack/seal-with-more-bytes.edits.json"
    "fixtures/contract/pack/signer-not-named.edits.json"
    "fixtures/contract/pack/statement-that-is-none.edits.json"
    "fixtures/contract/pack/verdict-edited.edits.json"
    "fixtures/contract/receipt/activation-of-no-kind.jsonl"
    "fixtures/contract/receipt/key-of-nobody.jsonl"
    "fixtures/contract/receipt/key-twice.jsonl"
    "fixtures/contract/receipt/not-a-number.jsonl"
    "fixtures/contract/receipt/version-of-no-schema.jsonl"
    "fixtures/contract/tensor/count-beyond-the-file/lm_head.bin"
    "fixtures/contract/tensor/trailing/lm_head.bin"
    "fixtures/contract/tensor/truncated/lm_head.bin"
    "fixtures/good/mazur.receipt.jsonl"
};

/// The contracts, read.
#[must_use]
pub fn documents() -> &'static [Document] {
    static DOCUMENTS: LazyLock<Vec<Document>> = LazyLock::new(|| {
        let stems = CONTRACTS.iter().map(|(path, bytes)| {
            let name = path.rsplit('/').next().unwrap_or(path);
            (name.trim_end_matches(".json"), *bytes)
        });
        super::read(stems).expect("an embedded contract keeps its schema")
    });
    &DOCUMENTS
}

/// The bytes of a fixture.
#[must_use]
pub fn fixture(path: &str) -> Option<&'static [u8]> {
    FIXTURES.iter().find(|(name, _)| *name == path).map(|(_, bytes)| *bytes)
}

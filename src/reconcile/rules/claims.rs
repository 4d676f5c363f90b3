//! Rules 15 and 16, and part of rule 0: what a record says about itself. The only rules that read labels, and they run last.

use crate::place;
use crate::receipt::step::Claims;
use crate::receipt::version::TraceVersion;
use crate::receipt::wire::FixtureStatus;
use crate::reconcile::finding::Evidence;
use crate::reconcile::ledger::Ledger;

/// Labels with which a record says that it does not hold.
const DISOWNING: [(&str, &str); 3] = [
    ("verification_state", "engine_recompute_disagreed"),
    ("verification_state", "expected_to_fail_reconciliation"),
    ("authoring_state", "deliberately_corrupted"),
];

/// The label of a record that says its recomputation was skipped.
const SKIPPED: &str = "engine_recompute_skipped_with_basis";

/// Reasons for a skip that the format knows.
const BASES: [&str; 4] =
    ["hardware_nondeterminism", "framework_op_unsupported", "distributed_only_field", "attested_third_party"];

/// Labels with which a record says that the engine arrived at it.
const REPRODUCED: [&str; 2] = ["engine_reproduced_byte_equal", "engine_recompute_matched_within_tolerance"];

/// Rule 15. Parts: `basis`, a skip, and nothing else, names why; `label`, the record does not disown itself.
pub(super) fn labels(labels: &FixtureStatus, claims: &Claims, ledger: &mut Ledger) {
    let stated = |key: &str| match key {
        "authoring_state" => labels.authoring_state.as_str(),
        _ => labels.verification_state.as_str(),
    };
    for (key, label) in DISOWNING {
        if stated(key) == label {
            let evidence = Evidence::Label { stated: label.to_owned() };
            ledger.find("label", place!["fixture_status", key], evidence);
        } else {
            ledger.holds();
        }
    }
    if REPRODUCED.contains(&labels.verification_state.as_str()) && !labels.canonical {
        let evidence = Evidence::Label { stated: "false".to_owned() };
        ledger.find("label", place!["fixture_status", "canonical"], evidence);
    }
    let basis = claims.attestor.as_ref().and_then(|attestor| attestor.skip_basis.as_deref());
    let at = place!["attestor", "skip_basis"];
    if labels.verification_state == SKIPPED {
        let evidence = Evidence::Label { stated: SKIPPED.to_owned() };
        ledger.find("label", place!["fixture_status", "verification_state"], evidence);
        match basis {
            Some(basis) if BASES.contains(&basis) => ledger.holds(),
            _ => ledger.find("basis", at, Evidence::Missing),
        }
    } else if basis.is_some() {
        ledger.find("basis", at, Evidence::Unexpected);
    }
}

/// Rule 0, part `provenance`: a record with the marks of an import says that it is one, and one that says so has them.
pub(super) fn provenance(labels: &FixtureStatus, claims: &Claims, ledger: &mut Ledger) {
    const IMPORTED: &str = "external_imported";
    let source = claims.attestor.as_ref().and_then(|attestor| attestor.import_provenance.as_ref());
    let has_marks = claims.source_framework.is_some() || source.is_some();
    let says_so = labels.authoring_state == IMPORTED;
    if let Some(format) = source.map(|source| &source.source_format) {
        // Formats of other makers are their own affair; of ours, it is one that exists.
        if format.starts_with("framework-trace.") && format.parse::<TraceVersion>().is_err() {
            let stored = format.clone();
            let expected = TraceVersion::ALL[TraceVersion::ALL.len() - 1].to_string();
            let at = place!["attestor", "import_provenance", "source_format"];
            ledger.find("provenance", at, Evidence::Text { stored, expected });
        }
    }
    if has_marks && !says_so {
        let at = place!["fixture_status", "authoring_state"];
        ledger.text("provenance", at, &labels.authoring_state, IMPORTED);
    }
    if says_so {
        if claims.source_framework.is_none() {
            ledger.find("provenance", place!["source_framework"], Evidence::Missing);
        }
        if source.is_none() {
            ledger.find("provenance", place!["attestor", "import_provenance"], Evidence::Missing);
        }
    }
}

/// Rule 16. Parts: `digest`; `bytes`, nothing stands in the file beside the bytes under the digest.
pub(super) fn subject_digest(stored: &str, claims: &Claims, ledger: &mut Ledger) {
    let at = place!["attestor", "signed_subject_digest"];
    let derived = claims.subject_digest.map(|digest| digest.prefixed());
    if derived.as_deref() == Some(stored) {
        ledger.holds();
    } else {
        ledger.find("digest", at, Evidence::Digest { stored: stored.to_owned(), derived });
    }
    if claims.canonical {
        ledger.holds();
    } else {
        let evidence = Evidence::Text { stored: "other bytes".into(), expected: "canonical bytes".into() };
        ledger.find("bytes", place![], evidence);
    }
}

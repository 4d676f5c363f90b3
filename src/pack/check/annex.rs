//! The answer to Annex IV, and what people put beside the evidence for it.

use std::collections::BTreeMap;

use super::source::Kept;
use super::{Checker, Derived};
use crate::annex::check::{self, Fault, FaultKind, ReadError, Stored};
use crate::annex::{ANNEX_HTML, ANNEX_JSON, ANNEX_MARKDOWN, catalogue};
use crate::digest::Digest;
use crate::pack::law::{self, Law};
use crate::pack::layout::{Group, Place};
use crate::pack::manifest::Artifact;
use crate::pack::path::PackPath;
use crate::pack::plan::{Evidence, Paper, Papers};

impl Checker<'_> {
    /// Takes what people put beside the evidence as it is stored.
    pub(super) fn papers(
        &mut self,
        evidence: &mut Evidence,
        expected: &BTreeMap<PackPath, Artifact>,
        kept: &BTreeMap<PackPath, Kept>,
    ) {
        let stored = kept.iter().filter(|(path, _)| {
            Place::of(path).is_some_and(|place| place.group() == Group::Annex && place != Place::Annex)
        });
        let stored = stored.filter_map(|(path, (sha256, bytes))| {
            let size_bytes = expected.get(path)?.size_bytes;
            Some((path, Paper { size_bytes, sha256: *sha256, bytes }))
        });
        match Papers::parse(stored) {
            Ok(papers) => evidence.papers(papers),
            Err(error) => self.find(&law::ANNEX_PAPERS_UNSOUND, error.path(), error.to_string()),
        }
    }

    /// What is wrong with the stored answer. One of another version is compared as far as it answers our catalogue. Answers how
    /// many files were compared here.
    pub(super) fn annex(
        &mut self,
        derived: &Derived,
        expected: &BTreeMap<PackPath, Artifact>,
        kept: &BTreeMap<PackPath, Kept>,
        differs: bool,
    ) -> u64 {
        let bytes = |path| kept.get(&PackPath::known(path)).map(|(_, bytes)| bytes.as_slice());
        let digest_of =
            |path: &str| -> Option<Digest> { Some(expected.get(&path.parse::<PackPath>().ok()?)?.sha256) };
        let (answer, catalogue) = (&derived.conclusion.annex, catalogue());
        if derived.same_tool {
            let faults = derived.conclusion.faults.iter().cloned();
            let stored =
                Stored { json: bytes(ANNEX_JSON), markdown: bytes(ANNEX_MARKDOWN), html: bytes(ANNEX_HTML) };
            let templates = derived.conclusion.answered.templates();
            let told = differs.then(|| check::verify(stored, answer, catalogue, templates, &digest_of));
            let faults: Vec<Fault> = faults.chain(told.into_iter().flatten()).collect();
            faults.iter().for_each(|fault| self.fault(fault));
            return 0;
        }
        let Some(stored) = bytes(ANNEX_JSON) else { return 0 };
        match check::read(stored, catalogue) {
            Ok(stored) => {
                check::dangling(&stored, &digest_of).iter().for_each(|fault| self.fault(fault));
                let differing =
                    stored.facets().zip(answer.facets()).find(|(one, other)| one.status != other.status);
                if let Some((stored, derived)) = differing {
                    let message = format!(
                        "{} is stated {}, the evidence gives {}",
                        stored.id, stored.status, derived.status
                    );
                    self.find(&law::ANNEX_NOT_REDERIVED, ANNEX_JSON, message);
                }
            }
            Err(error @ ReadError::Incomplete { .. }) => {
                self.find(&law::ANNEX_FACET_MISSING, ANNEX_JSON, error.to_string());
            }
            Err(error) => {
                self.skip(format!("{ANNEX_JSON}: {error}; its statuses were not compared"));
                return 0;
            }
        }
        1
    }

    fn fault(&mut self, fault: &Fault) {
        let message = if fault.at.is_empty() {
            fault.message.clone()
        } else {
            format!("{}: {}", fault.at, fault.message)
        };
        self.find(law_of(fault.kind), fault.path, message);
    }
}

fn law_of(kind: FaultKind) -> &'static Law {
    match kind {
        FaultKind::Unreadable | FaultKind::NotDerived | FaultKind::NotRendered => &law::ANNEX_NOT_REDERIVED,
        FaultKind::Incomplete | FaultKind::NotPrinted => &law::ANNEX_FACET_MISSING,
        FaultKind::Dangling | FaultKind::Digest => &law::ANNEX_EVIDENCE_DANGLING,
        FaultKind::Template => &law::ANNEX_TEMPLATE_BROKEN,
        FaultKind::Banned => &law::ANNEX_BANNED_WORD,
    }
}

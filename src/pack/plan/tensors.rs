//! Captured stages of a forward pass: checked by themselves, and held against a reference where there is one.

use serde::{Deserialize, Serialize};

use super::page::plain;
use crate::json;
use crate::pack::files::{Files, Sink};
use crate::pack::layout::Place;
use crate::report::Outcome;
use crate::tensor::compare::Verdict;
use crate::tensor::diff::{Diff, diff};
use crate::tensor::forward::{Checked, check};
use crate::tensor::told::{self, CheckDocument, DiffDocument, Side};
use crate::tensor::{Capture, Fault, Folder, Place as Stage};

/// Stages that a sentence names.
const MAX_NAMED: usize = 60;

/// The captures of a pack, judged.
#[derive(Debug, Clone)]
pub struct Captures {
    checked: Checked,
    diff: Option<Diff>,
    /// The model of the reference, by its index.
    reference: Option<String>,
    evidence: Files,
    derived: Files,
}

/// What captured tensors came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Captured {
    /// What they came to: a broken equation or a stage beyond its bound fails.
    pub outcome: Outcome,
    /// Equations between stages that hold.
    pub holds: u64,
    /// Equations that are broken.
    pub broken: u64,
    /// Equations that could not be checked.
    pub not_checkable: u64,
    /// Stages that were compared with a reference; null without one.
    pub compared: Option<u64>,
    /// The first stage beyond its bound.
    pub first_failing: Option<String>,
    /// What was compared, in a sentence; null where no agreement was found.
    pub agreement: Option<String>,
}

impl Captures {
    /// Captures that were read. `evidence` are their files.
    ///
    /// # Errors
    /// What the sink says; within, why they cannot be judged.
    pub fn judged<F: Folder, S: Sink>(
        subject: &Capture<F>,
        reference: Option<&Capture<F>>,
        evidence: Files,
        sink: &S,
    ) -> Result<Result<Self, Fault>, S::Error> {
        let judge = || {
            let checked = check::<_, &[u8]>(subject, None)?;
            let diff = reference.map(|reference| diff(subject, reference, None)).transpose()?;
            Ok((checked, diff))
        };
        let (checked, diff) = match judge() {
            Ok(judged) => judged,
            Err(fault) => return Ok(Err(fault)),
        };
        let mut derived = Files::default();
        let document = CheckDocument::of(subject, None, &checked);
        derived.put(Place::TensorCheck, &json::canonical(&document), sink)?;
        if let (Some(reference), Some(diff)) = (reference, &diff) {
            let document = DiffDocument::of(Side::of(subject), Side::of(reference), diff);
            derived.put(Place::TensorDiff, &json::canonical(&document), sink)?;
        }
        let name = |reference: &Capture<F>| reference.index().map(|index| index.model.name.clone());
        let reference = reference.and_then(name);
        Ok(Ok(Self { checked, diff, reference, evidence, derived }))
    }

    /// Its files: those of the evidence, and those that follow.
    pub(super) fn files(&self) -> (&Files, &Files) {
        (&self.evidence, &self.derived)
    }

    pub(super) const fn diff(&self) -> Option<&Diff> {
        self.diff.as_ref()
    }

    pub(super) const fn checked(&self) -> &Checked {
        &self.checked
    }

    /// The words of the documents: that of the check, that of the comparison.
    pub(super) fn verdicts(&self) -> [Option<&'static str>; 2] {
        let diff = self.diff.as_ref().map(|diff| diff.verdict().name());
        [Some(told::verdict(&self.checked)), diff]
    }

    /// What they came to.
    pub(super) fn captured(&self) -> Captured {
        let [holds, broken, not_checkable] = self.checked.counts();
        let of_diff = self.diff.as_ref().map(|diff| match diff.verdict() {
            Verdict::Pass => Outcome::Pass,
            Verdict::NotJudged => Outcome::Insufficient,
            Verdict::Fail => Outcome::Fail,
        });
        let by_itself = if holds > 0 { Outcome::Pass } else { Outcome::Insufficient };
        let outcome = if broken > 0 { Outcome::Fail } else { of_diff.unwrap_or(by_itself) };
        let first = self.diff.as_ref().and_then(Diff::first_failing);
        Captured {
            outcome,
            holds,
            broken,
            not_checkable,
            compared: self.diff.as_ref().map(|diff| diff.rows.len() as u64),
            first_failing: first.map(|place| place.to_string()),
            agreement: self.agreement(),
        }
    }

    /// With which reference, within what, at which stages: of the stages that are within their bounds, and no more.
    fn agreement(&self) -> Option<String> {
        let (diff, reference) = (self.diff.as_ref()?, self.reference.as_deref()?);
        let mut groups: Vec<((f64, f64), Vec<Stage>)> = Vec::new();
        for row in &diff.rows {
            let Some((bound, _)) = row.bound.as_ref().filter(|_| row.compared.verdict() == Verdict::Pass)
            else {
                continue;
            };
            let within = (bound.abs(), bound.rel());
            let same = |group: &&mut ((f64, f64), Vec<Stage>)| {
                (group.0.0.to_bits(), group.0.1.to_bits()) == (within.0.to_bits(), within.1.to_bits())
            };
            match groups.iter_mut().find(same) {
                Some((_, stages)) => stages.push(row.place),
                None => groups.push((within, vec![row.place])),
            }
        }
        let told = groups.iter().map(|((abs, rel), stages)| {
            let shown: Vec<String> = stages.iter().take(MAX_NAMED).map(ToString::to_string).collect();
            let more = match stages.len() - shown.len() {
                0 => String::new(),
                more => format!(" and {more} more that tensors/diff.json lists"),
            };
            format!("within {abs:e} + {rel:e} * |b| at stages {}{more}", shown.join(", "))
        });
        let told: Vec<String> = told.collect();
        (!told.is_empty())
            .then(|| format!("numerical agreement with reference {} {}", plain(reference), told.join("; ")))
    }
}

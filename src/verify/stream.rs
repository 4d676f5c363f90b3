//! A trace of records: each judged by itself, in parallel if the caller likes, then linked in order.

use super::read::{self, Read, ReadError, Subject};
use super::{Found, Kind, Outcome, Section, WriteError, outcome, section, written};
use crate::import::stream::{Facts, unknown_trace};
use crate::import::{Framework, Options, Standing};
use crate::receipt::lower;
use crate::receipt::step::{Entry, Step};
use crate::reconcile::chain::Chain;
use crate::reconcile::rule::{Rule, Verdict};
use crate::reconcile::{self};

/// Records that are told with their findings; the rest are counted.
pub const MAX_TOLD: usize = 1000;

/// One record of a trace, judged by itself.
#[derive(Debug)]
pub struct Judged<'a> {
    section: Section<'a>,
    entry: Option<Entry>,
    subject: Option<Subject>,
}

impl<'a> Judged<'a> {
    /// What it came to.
    #[must_use]
    pub fn section(&self) -> &Section<'a> {
        &self.section
    }

    /// The step, where it could be read.
    #[must_use]
    pub fn step(&self) -> Option<&Step> {
        self.entry.as_ref().map(|entry| &entry.step)
    }

    /// What a trace needs of it.
    #[must_use]
    pub fn settled(self) -> Settled {
        let Self { section, entry, subject } = self;
        let outcome = match &section.found {
            Found::Judged { report, .. } => outcome(report),
            _ => Outcome::Fail,
        };
        let told = (outcome != Outcome::Pass).then(|| section.detached());
        Settled { outcome, told, entry, subject }
    }
}

/// What a trace needs of one of its records, whose bytes are elsewhere.
#[derive(Debug)]
pub struct Settled {
    outcome: Outcome,
    /// Of one that did not pass.
    told: Option<Section<'static>>,
    entry: Option<Entry>,
    subject: Option<Subject>,
}

impl Settled {
    /// Whether its bytes are the canonical bytes.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.claims.canonical)
    }
}

/// Judges the bytes of one record of a trace. It looks at nothing else, so records can be judged in any order.
///
/// # Errors
/// [`ReadError`] where the bytes cannot be judged.
pub fn record(bytes: &[u8]) -> Result<Judged<'_>, ReadError> {
    let read::Linked { read: Read { version, record }, subject } = read::linked(bytes)?;
    let (found, entry) = match record {
        Err(violations) => (Found::Malformed(violations), None),
        Ok(entry) => {
            let canonical = Some(entry.claims.canonical);
            (Found::Judged { report: reconcile::reconcile(&entry), canonical }, Some(entry))
        }
    };
    Ok(Judged { section: section(Kind::Receipt, bytes, Some(version), found), entry, subject })
}

/// One sidecar of a stream, judged by itself, and the receipt made from it.
#[derive(Debug)]
pub struct Imported<'a> {
    /// The sidecar, judged at full precision.
    pub judged: Judged<'a>,
    /// What it says of the run that it belongs to; `None` where it breaks its schema.
    pub facts: Option<Facts>,
    /// The receipt's bytes without the marks of its stream ([`crate::import::stream::Source`]); `None` where the sidecar
    /// breaks its schema.
    pub receipt: Option<Result<Vec<u8>, WriteError>>,
}

/// Judges the bytes of one sidecar of a stream and makes its receipt; `index` is its place, counted from 0. It looks at
/// nothing else, so sidecars can be judged in any order. The receipt is judged once it has its marks, by [`record`].
///
/// # Errors
/// [`ReadError`] where the bytes cannot be judged, or `expected` is another framework.
pub fn sidecar<'a>(
    bytes: &'a [u8],
    expected: Option<Framework>,
    options: &Options,
    index: u64,
) -> Result<Imported<'a>, ReadError> {
    let Read { version, record } = read::sidecar(bytes, Standing::InStream, expected)?;
    let judged = |found, entry| Judged {
        section: section(Kind::Sidecar, bytes, Some(version), found),
        entry,
        subject: None,
    };
    let import = match record {
        Err(violations) => {
            let judged = judged(Found::Malformed(violations), None);
            return Ok(Imported { judged, facts: None, receipt: None });
        }
        Ok(import) => import,
    };
    let mut entry = lower::sidecar(import.wire().clone(), import.bias_policy(), options.tolerance);
    // A stream that states neither is one trace in the order of its lines.
    entry.step.trace_id.get_or_insert_with(unknown_trace);
    entry.step.step_index.get_or_insert(index);
    let report = reconcile::reconcile(&entry);
    let facts = Some(Facts::from(&import));
    let receipt = Some(written(import, &report, options, Some(index)));
    let judged = judged(Found::Judged { report, canonical: None }, Some(entry));
    Ok(Imported { judged, facts, receipt })
}

/// What a trace comes to.
#[derive(Debug)]
pub struct Trace {
    /// Number of records.
    pub records: u64,
    /// How many came to each outcome by themselves: pass, insufficient, fail.
    pub counts: [u64; 3],
    /// Records that did not pass, with their place counted from 0; the first [`MAX_TOLD`].
    pub told: Vec<(u64, Section<'static>)>,
    /// What the rules about traces came to.
    pub rules: Vec<(&'static Rule, Verdict)>,
}

impl Trace {
    /// Whether every record passed, and every rule about traces that applies holds.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let [passed, insufficient, failed] = self.counts;
        let any = |test: fn(&Verdict) -> bool| self.rules.iter().any(|(_, verdict)| test(verdict));
        if failed > 0 || any(|verdict| matches!(verdict, Verdict::Broken(_))) {
            Outcome::Fail
        } else if insufficient > 0 || passed == 0 || any(|verdict| matches!(verdict, Verdict::Vacuous { .. }))
        {
            Outcome::Insufficient
        } else {
            Outcome::Pass
        }
    }
}

/// A trace under judgement; its memory does not grow with the trace.
#[derive(Debug, Default)]
pub struct Tracing {
    chain: Chain,
    records: u64,
    counts: [u64; 3],
    told: Vec<(u64, Section<'static>)>,
}

impl Tracing {
    /// Of sidecars, which have no digest over all of them.
    #[must_use]
    pub fn of_sidecars() -> Self {
        Self { chain: Chain::without_digest(), ..Self::default() }
    }

    /// Adds the next record, which was read from `bytes`.
    pub fn push(&mut self, settled: Settled, bytes: &[u8]) {
        let Settled { outcome, told, entry, subject } = settled;
        let place = match outcome {
            Outcome::Pass => 0,
            Outcome::Insufficient => 1,
            Outcome::Fail => 2,
        };
        self.counts[place] += 1;
        if let Some(told) = told.filter(|_| self.told.len() < MAX_TOLD) {
            self.told.push((self.records, told));
        }
        self.records += 1;
        match entry {
            Some(entry) => {
                self.chain.push(entry, subject.as_ref().and_then(|subject| subject.pieces(bytes)));
            }
            None => self.chain.gap(),
        }
    }

    /// What the trace comes to.
    #[must_use]
    pub fn finish(self) -> Trace {
        let Self { chain, records, counts, told } = self;
        Trace { records, counts, told, rules: chain.finish() }
    }
}

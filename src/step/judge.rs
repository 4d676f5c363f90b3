//! A record and its payload, judged: every rule of the table comes to a row.

use std::io;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::around;
use super::kernel::{two_to, within};
use super::leaf::{self, Leaf};
use super::payload::{self, Role, Tensors};
use super::record::{Param, Record, Refusal};
use super::rule::{self, RULES, Rule};
use super::tally::{self, First, Tally};
use super::tensor::{self, Judged};
use super::wire::Dtype;
use crate::digest::Digest;
use crate::tensor::{Bytes, digest};

/// How a record is judged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Within bounds alone, though the record names a kernel that is replayed.
    pub bounded: bool,
    /// What a statistical rule may do.
    pub statistical: Statistical,
    /// The least share of a step's parameters whose update must be larger than its bound.
    pub informative_min: Option<f64>,
}

/// What a statistical rule may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Statistical {
    /// Warn.
    #[default]
    Warn,
    /// Reject.
    Reject,
    /// Nothing.
    Off,
}

/// What a rule comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It compared, and everything held.
    Holds,
    /// It is broken.
    Broken,
    /// It is broken, and only warns.
    Warns,
    /// It compared, and could see nothing: no value changed by more than its bound.
    Blind,
    /// The record leaves out what it needs.
    Unseen,
    /// The record has nothing that it is about.
    NotApplicable,
}

impl State {
    /// Whether the rule compared something that could have shown a difference.
    #[must_use]
    pub const fn decided(self) -> bool {
        matches!(self, Self::Holds | Self::Broken | Self::Warns)
    }
}

/// The first place where a rule is broken.
#[derive(Debug, Clone, PartialEq)]
pub struct At {
    /// The parameter.
    pub param: String,
    /// The value.
    pub value: First,
}

/// A rule, and what it came to.
#[derive(Debug, Clone)]
pub struct Row {
    /// The rule.
    pub rule: &'static Rule,
    /// What it came to.
    pub state: State,
    /// What it compared.
    pub compared: u64,
    /// How much of that is broken.
    pub broken: u64,
    /// The first place.
    pub at: Option<At>,
    /// The largest and the median ratio of gap to bound.
    pub ratio: Option<(f64, f64)>,
    /// The share of values that moved by more than their bound, or at all where bits are compared.
    pub informative: Option<f64>,
    /// What there is to say, for people.
    pub note: Option<String>,
}

impl Row {
    pub(super) const fn new(rule: &'static Rule, state: State) -> Self {
        Self { rule, state, compared: 0, broken: 0, at: None, ratio: None, informative: None, note: None }
    }

    pub(super) fn held(rule: &'static Rule, compared: u64, broken: u64, note: impl Into<String>) -> Self {
        let (state, note) =
            if broken > 0 { (State::Broken, Some(note.into())) } else { (State::Holds, None) };
        Self { compared, broken, note, ..Self::new(rule, state) }
    }

    pub(super) fn unseen(rule: &'static Rule, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..Self::new(rule, State::Unseen) }
    }
}

/// What judging a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every rule that applies holds, and the step shows something.
    Accepted,
    /// A rule is broken.
    Rejected,
    /// Nothing is broken, and not enough could be seen.
    Insufficient,
}

/// One tensor's largest ratios, for charts.
#[derive(Debug, Clone)]
pub struct Ratios {
    /// The parameter.
    pub param: String,
    /// Its values.
    pub elements: u64,
    /// Whether it was replayed.
    pub replayed: bool,
    /// The largest and the median ratio, by stage.
    pub stages: Vec<(&'static Rule, f64, f64)>,
}

/// A judged step.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it came to.
    pub verdict: Verdict,
    /// Whether every parameter was replayed bit by bit.
    pub bitwise: bool,
    /// The rules, in the order of the table; what links steps comes after.
    pub rows: Vec<Row>,
    /// The share of parameters whose update could be told from none.
    pub informative: f64,
    /// Values of all parameters.
    pub elements: u64,
    /// Bytes of the payload.
    pub payload_bytes: u64,
    /// The tensors of the payload.
    pub leaves: Vec<Leaf>,
    /// Ratios by tensor.
    pub tensors: Vec<Ratios>,
    /// What was seen and breaks no rule.
    pub notes: Vec<String>,
}

impl Report {
    /// The rules that are broken, each with how often.
    pub fn broken(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.state == State::Broken)
    }

    /// Adds what links this step to another, or to a commitment, and weighs again.
    pub fn add(&mut self, rows: impl IntoIterator<Item = Row>) {
        self.rows.extend(rows);
        if self.broken().next().is_some() {
            self.verdict = Verdict::Rejected;
        }
    }
}

/// Judges a step.
///
/// # Errors
/// [`Refusal`] where the payload breaks its format, does not fit the record or cannot be read.
pub fn judge(record: &Record, payload: &(impl Bytes + ?Sized), options: &Options) -> Result<Report, Refusal> {
    let file = &record.payload.file;
    let layout = payload::layout(file, payload)?;
    let places = payload::tensors(record, &layout)?;
    let replays = |param: &Param| record.replays(param) && !options.bounded;
    // Only a replay derives what is left out.
    let short = |(param, tensors): &(&Param, &Tensors)| {
        let group = &record.groups[param.group];
        let kept = |role| match role {
            Role::P1 => true,
            Role::M1 | Role::V1 => group.is_adam(),
            Role::B1 => group.has_buffer(),
            _ => false,
        };
        !replays(param) && Role::ALL.into_iter().any(|role| kept(role) && !tensors.has(role))
    };
    if let Some((param, _)) = record.params.iter().zip(&places).find(short) {
        let reason = format!("tensors of {:?} are left out, so it is replayed or not judged", param.name);
        return Err(Refusal::Payload { file: file.clone(), reason });
    }
    let failed = |source: io::Error| Refusal::Io { file: file.clone(), source };
    // One core reads the file from its start and hashes it whole, while the others judge.
    let (whole, judged) = rayon::join(
        || digest(payload),
        || {
            let pairs = record.params.par_iter().zip(&places);
            let judge = |(param, tensors): (&Param, &Tensors)| {
                tensor::judge(record, param, tensors, payload, replays(param))
            };
            pairs.map(judge).collect::<Result<Vec<Judged>, io::Error>>()
        },
    );
    let (whole, judged) = (whole.map_err(failed)?, judged.map_err(failed)?);
    let leaves = leaves(record, &judged);
    let mut rows = vec![digests(record, whole, &leaves, &judged), sound(record, &judged)];
    rows.extend([around::partition(record), around::timesteps(record), around::frozen(record)]);
    rows.extend(around::schedule(record));
    rows.extend([norm(record, &judged, &places), clipped(record, &judged)]);
    rows.extend(stages(record, &judged));
    rows.push(fit(record, &judged, options));
    debug_assert!(
        rows.iter().map(|row| row.rule.code).eq(RULES.iter().take(rows.len()).map(|rule| rule.code))
    );
    let elements = record.params.iter().map(|param| param.elements).sum();
    let (informative, seen) = informative(&judged, elements);
    let broken = rows.iter().any(|row| row.state == State::Broken);
    let enough = options.informative_min.is_none_or(|least| informative >= least);
    let verdict = match (broken, seen && enough) {
        (true, _) => Verdict::Rejected,
        (false, true) => Verdict::Accepted,
        (false, false) => Verdict::Insufficient,
    };
    Ok(Report {
        verdict,
        bitwise: judged.iter().all(|judged| judged.replayed),
        rows,
        informative,
        elements,
        payload_bytes: payload.size_bytes(),
        leaves,
        tensors: ratios(record, &judged),
        notes: notes(record),
    })
}

fn leaves(record: &Record, judged: &[Judged]) -> Vec<Leaf> {
    let of = |(param, judged): (&Param, &Judged)| {
        let leaf = |(role, digest): &(Role, Digest)| Leaf {
            key: format!("{}/{}", role.name(), param.name),
            dtype: payload::dtype(param.dtype).to_owned(),
            shape: param.shape.clone(),
            digest: *digest,
        };
        judged.digests.iter().map(leaf).collect::<Vec<_>>()
    };
    let mut leaves: Vec<Leaf> = record.params.iter().zip(judged).flat_map(of).collect();
    leaves.sort_by(|a, b| a.key.cmp(&b.key));
    leaves
}

fn digests(record: &Record, whole: Digest, leaves: &[Leaf], judged: &[Judged]) -> Row {
    let mut wrong = Vec::new();
    if whole != record.payload.sha256 {
        wrong.push(format!(
            "the payload's SHA-256 is {whole}, and the record states {}",
            record.payload.sha256
        ));
    }
    let root = leaf::root(leaves);
    if root != record.payload.leaf_root {
        wrong.push(format!(
            "the root of its leaves is {root}, and the record states {}",
            record.payload.leaf_root
        ));
    }
    for (param, judged) in record.params.iter().zip(judged) {
        wrong.extend(
            judged
                .misstated
                .iter()
                .map(|role| format!("{} of {:?} has another digest", role.name(), param.name)),
        );
    }
    let stated = record.params.iter().map(|param| {
        let digests = param.digests;
        [digests.p1, digests.m1, digests.v1, digests.b1].iter().flatten().count() as u64
    });
    Row::held(&rule::PAYLOAD, 2 + stated.sum::<u64>(), wrong.len() as u64, wrong.join("; "))
}

fn sound(record: &Record, judged: &[Judged]) -> Row {
    let unsound: u64 = judged.iter().map(|judged| judged.unsound).sum();
    let values =
        record.params.iter().zip(judged).map(|(param, judged)| param.elements * judged.digests.len() as u64);
    let first = record.params.iter().zip(judged).find(|(_, judged)| judged.unsound > 0);
    let note = first.map_or(String::new(), |(param, _)| format!("first in the tensors of {:?}", param.name));
    Row::held(&rule::NONFINITE, values.sum(), unsound, note)
}

fn unit(record: &Record) -> f64 {
    let narrow = record.params.iter().any(|param| param.dtype == Dtype::Bf16);
    if narrow { two_to(-8) } else { two_to(-24) }
}

fn norm(record: &Record, judged: &[Judged], places: &[Tensors]) -> Row {
    let Some(clip) = record.clip else { return Row::new(&rule::CLIP_NORM, State::NotApplicable) };
    let u = unit(record);
    let derived = judged.iter().map(|judged| judged.squares).sum::<f64>().sqrt();
    let raw = places.first().is_some_and(|tensors| tensors.has(Role::Graw));
    let factor = if raw { 1.0 } else { tensor::factor(record, u).unwrap_or(1.0) };
    let stated = clip.total_norm * factor;
    let longest = record.params.iter().map(|param| param.elements).max().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a bound may be rounded")]
    let bound = (4.0 * u + longest as f64 * u / 16.0) * derived;
    let gap = (stated - derived).abs();
    let note = format!("the norm is {derived:e}, and the record says {stated:e}");
    let mut row = Row::held(&rule::CLIP_NORM, 1, u64::from(!within(gap, bound)), note);
    if bound > 0.0 {
        row.ratio = Some((gap / bound, gap / bound));
    }
    row
}

fn clipped(record: &Record, judged: &[Judged]) -> Row {
    let tallies: Vec<_> = tallies(record, judged, |judged| judged.clip.as_ref()).collect();
    match (tallies.is_empty(), record.clip) {
        (true, None) => Row::new(&rule::CLIP_G, State::NotApplicable),
        (true, Some(_)) => Row::unseen(&rule::CLIP_G, "the payload has no gradients from before clipping"),
        (false, _) => row(&rule::CLIP_G, &tallies),
    }
}

type Named<'a> = (&'a Param, &'a Tally);

fn tallies<'a>(
    record: &'a Record,
    judged: &'a [Judged],
    of: impl Fn(&'a Judged) -> Option<&'a Tally>,
) -> impl Iterator<Item = Named<'a>> {
    let pairs = record.params.iter().zip(judged);
    pairs.filter_map(move |(param, judged)| {
        of(judged).filter(|tally| tally.compared > 0).map(|tally| (param, tally))
    })
}

/// The stages of a parameter by their rules.
fn named(record: &Record, param: &Param, judged: &Judged) -> Vec<(&'static Rule, usize)> {
    let group = &record.groups[param.group];
    match (group.is_adam(), judged.stages.len()) {
        (true, _) => vec![(&rule::STEP_M, 0), (&rule::STEP_V, 1), (&rule::STEP_P, 2)],
        (false, 2) => vec![(&rule::STEP_B, 0), (&rule::STEP_P, 1)],
        (false, _) => vec![(&rule::STEP_P, 0)],
    }
}

fn stages(record: &Record, judged: &[Judged]) -> Vec<Row> {
    let mut rows = Vec::new();
    let bits: Vec<Named<'_>> = tallies(record, judged, |judged| judged.bits.as_ref()).collect();
    let mut replayed = row(&rule::STEP_BITS, &bits);
    if replayed.state == State::Blind && judged.iter().any(|judged| judged.moved) {
        replayed.state = State::Holds;
        replayed.note =
            Some("no parameter moved, so its update could not show; moments or buffers did".to_owned());
    }
    rows.push(replayed);
    for rule in [&rule::STEP_M, &rule::STEP_V, &rule::STEP_B, &rule::STEP_P] {
        let mut found = Vec::new();
        for (param, judged) in record.params.iter().zip(judged) {
            let stage = named(record, param, judged).into_iter().find(|(named, _)| *named == rule);
            let tally = stage.map(|(_, at)| &judged.stages[at]);
            found.extend(tally.filter(|tally| tally.compared > 0).map(|tally| (param, tally)));
        }
        rows.push(row(rule, &found));
    }
    rows
}

fn row(rule: &'static Rule, tallies: &[Named<'_>]) -> Row {
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(|(_, tally)| of(tally)).sum::<u64>();
    let (compared, broken, informative) =
        (sum(|tally| tally.compared), sum(|tally| tally.outside), sum(|tally| tally.informative));
    let at = tallies
        .iter()
        .find_map(|(param, tally)| tally.first.map(|value| At { param: param.name.clone(), value }));
    let state = match (compared, broken, informative) {
        (0, ..) => State::NotApplicable,
        (_, 1.., _) => State::Broken,
        (_, _, 0) => State::Blind,
        _ => State::Holds,
    };
    let ratio = (rule.class == rule::Class::Bounded && compared > 0).then(|| {
        let largest = tallies.iter().map(|(_, tally)| tally.max_ratio()).fold(0.0, f64::max);
        let mut sample: Vec<f64> = tallies.iter().flat_map(|(_, tally)| tally.sample()).copied().collect();
        (largest, tally::median(&mut sample))
    });
    #[expect(clippy::cast_precision_loss, reason = "a share may be rounded")]
    let share = (compared > 0).then(|| informative as f64 / compared as f64);
    Row { compared, broken, at, ratio, informative: share, ..Row::new(rule, state) }
}

fn fit(record: &Record, judged: &[Judged], options: &Options) -> Row {
    if options.statistical == Statistical::Off {
        return Row::unseen(&rule::LR_FIT, "not asked for");
    }
    let u = unit(record);
    let (mut compared, mut broken, mut note) = (0, 0, String::new());
    let mut ratio: Option<(f64, f64)> = None;
    for group in 0..record.groups.len() {
        let (mut cross, mut square) = (0.0, 0.0);
        for (_, judged) in record
            .params
            .iter()
            .zip(judged)
            .filter(|(param, judged)| param.group == group && !judged.replayed)
        {
            let sums = judged.fit.sums();
            (cross, square) = (cross + sums.0, square + sums.1);
        }
        // What is not a number fits nothing, and is told as a rate that does not fit.
        if square <= 0.0 {
            continue;
        }
        compared += 1;
        let delta = -cross / square;
        let bound = 4.0 * u + 6.0 / square.sqrt();
        let of = delta.abs() / bound;
        ratio = Some(ratio.map_or((of, of), |(largest, _)| (of.max(largest), of)));
        if !within(delta.abs(), bound) {
            broken += 1;
            note = format!(
                "the updates of group {group} fit a rate {delta:e} away from the one stated, relative to it"
            );
        }
    }
    if compared == 0 {
        return Row::new(&rule::LR_FIT, State::NotApplicable);
    }
    let mut row = Row::held(&rule::LR_FIT, compared, broken, note);
    row.ratio = ratio;
    if row.state == State::Broken && options.statistical == Statistical::Warn {
        row.state = State::Warns;
    }
    row
}

/// The share of parameters whose update could be told from none, and whether any stage saw anything at all.
fn informative(judged: &[Judged], elements: u64) -> (f64, bool) {
    let last = |judged: &Judged| match (&judged.bits, judged.stages.last()) {
        (Some(bits), _) => bits.informative,
        (None, Some(stage)) => stage.informative,
        (None, None) => 0,
    };
    let seen = judged.iter().any(|judged| {
        let stages = judged.stages.iter().any(|stage| stage.informative > 0);
        stages || judged.moved
    });
    #[expect(clippy::cast_precision_loss, reason = "a share may be rounded")]
    let share = judged.iter().map(last).sum::<u64>() as f64 / elements.max(1) as f64;
    (share, seen)
}

fn ratios(record: &Record, judged: &[Judged]) -> Vec<Ratios> {
    let of = |(param, judged): (&Param, &Judged)| Ratios {
        param: param.name.clone(),
        elements: param.elements,
        replayed: judged.replayed,
        stages: named(record, param, judged)
            .into_iter()
            .map(|(rule, at)| (rule, &judged.stages[at]))
            .filter(|(_, tally)| tally.compared > 0)
            .map(|(rule, tally)| (rule, tally.max_ratio(), tally.median()))
            .collect(),
    };
    record.params.iter().zip(judged).map(of).collect()
}

fn notes(record: &Record) -> Vec<String> {
    let mut notes = Vec::new();
    for (index, group) in record.groups.iter().enumerate() {
        let product = group.lr * group.weight_decay;
        let decoupled = matches!(group.update, super::record::Update::Adam { decoupled: true, .. });
        if decoupled && product > 0.0 {
            let resolution = unit(record) / product;
            notes.push(format!(
                "group {index}: a weight decay nearer than {resolution:.1e} of itself moves no bit"
            ));
        }
        if group.lr <= 0.0 {
            notes.push(format!("group {index}: the rate is 0, so nothing about its update can show"));
        }
    }
    notes
}

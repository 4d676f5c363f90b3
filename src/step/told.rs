//! A judged step for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::judge::{At, Ratios, Report, Row, State, Verdict};
use super::leaf::Leaf;
use super::record::Record;
use super::rule::Class;
use crate::digest::Digest;

/// What a step that holds proves.
pub const PROVES: &str = "The arithmetic of the revealed steps: at each, what the optimizer stored follows from what it \
                          read, under the settings that the record states.";

/// What it does not prove.
pub const LIMITS: [&str; 4] = [
    "Not that the gradients came from this data or this loss: attention, norms and the loss are not derived.",
    "Not that batches were not chosen, reordered or poisoned.",
    "Not that a step that is not revealed was honest.",
    "Not that a gradient is real: for any wanted result one can be solved for, unless the steps around it and the \
     module's inputs are revealed too.",
];

/// The format of [`Document`].
pub const FORMAT: &str = "bp-step/1";

/// What judging a step came to, for programs: `bp-step/1`, whose shape `contracts/step.schema.json` freezes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Always [`FORMAT`].
    pub schema: String,
    /// The run.
    pub run: String,
    /// Which step, counted from 1.
    pub step: u64,
    /// The digest of the record.
    pub record_sha256: Digest,
    /// The digest of the payload, as the record states it.
    pub payload_sha256: Digest,
    /// What it came to.
    pub verdict: Verdict,
    /// How values were compared; the weaker of what was used.
    pub class: Arithmetic,
    /// The share of parameters whose update could be told from none.
    pub informative: f64,
    /// Values of all parameters.
    pub elements: u64,
    /// Bytes of the payload.
    pub payload_bytes: u64,
    /// Every rule that was put to it.
    pub rules: Vec<RuleRow>,
    /// Ratios, by tensor.
    pub tensors: Vec<TensorRow>,
    /// The tensors of the payload, by key: the root over them is the one that the record states.
    pub leaves: Vec<Leaf>,
    /// What was seen and breaks no rule.
    pub notes: Vec<String>,
    /// What it proves where it holds.
    pub proves: String,
    /// What it does not prove.
    pub does_not_prove: Vec<String>,
}

/// How the values of a step were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    /// Every parameter was replayed in float32, and bits compared.
    Bitwise,
    /// At least one was compared within bounds on rounding.
    Bounded,
}

impl Arithmetic {
    /// That of a judged step.
    #[must_use]
    pub const fn of(report: &Report) -> Self {
        if report.bitwise { Self::Bitwise } else { Self::Bounded }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bitwise => "bitwise",
            Self::Bounded => "bounded",
        }
    }
}

/// A rule, and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleRow {
    /// The code it is cited by.
    pub code: String,
    /// How it compares.
    pub class: Class,
    /// What it came to.
    pub state: State,
    /// What it compared.
    pub compared: u64,
    /// How much of that is broken.
    pub broken: u64,
    /// The largest ratio of gap to bound.
    pub max_gap_over_bound: Option<f64>,
    /// The ratio in the middle.
    pub median_gap_over_bound: Option<f64>,
    /// The share of values that moved by more than their bound, or at all where bits are compared.
    pub informative: Option<f64>,
    /// The first place where it is broken.
    pub first: Option<Place>,
    /// What there is to say, for people.
    pub note: Option<String>,
}

/// The first value that breaks a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The parameter.
    pub param: String,
    /// The value's place in it, counted from 0.
    pub index: u64,
    /// What it is off by, stored less derived; null where bits are compared.
    pub gap: Option<f64>,
    /// What it may be off by.
    pub bound: Option<f64>,
}

/// A parameter's ratios.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorRow {
    /// The parameter.
    pub param: String,
    /// Its values.
    pub elements: u64,
    /// Whether it was replayed.
    pub replayed: bool,
    /// Ratios of gap to bound, by the rule of the stage.
    pub gap_over_bound: BTreeMap<String, Ratio>,
}

/// Ratios of gap to bound over a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratio {
    /// The largest.
    pub max: f64,
    /// The one in the middle.
    pub median: f64,
}

impl Document {
    /// That of a judged step.
    #[must_use]
    pub fn of(record: &Record, report: &Report) -> Self {
        let tensor = |tensor: &Ratios| TensorRow {
            param: tensor.param.clone(),
            elements: tensor.elements,
            replayed: tensor.replayed,
            gap_over_bound: tensor
                .stages
                .iter()
                .map(|(rule, max, median)| (rule.code.to_owned(), Ratio { max: *max, median: *median }))
                .collect(),
        };
        Self {
            schema: FORMAT.to_owned(),
            run: record.run.clone(),
            step: record.step,
            record_sha256: record.sha256,
            payload_sha256: record.payload.sha256,
            verdict: report.verdict,
            class: Arithmetic::of(report),
            informative: report.informative,
            elements: report.elements,
            payload_bytes: report.payload_bytes,
            rules: report.rows.iter().map(RuleRow::of).collect(),
            tensors: report.tensors.iter().map(tensor).collect(),
            leaves: report.leaves.clone(),
            notes: report.notes.clone(),
            proves: PROVES.to_owned(),
            does_not_prove: LIMITS.map(str::to_owned).into(),
        }
    }
}

impl RuleRow {
    /// That of a row.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        let place = |at: &At| Place {
            param: at.param.clone(),
            index: at.value.index,
            gap: finite(at.value.gap),
            bound: finite(at.value.bound),
        };
        Self {
            code: row.rule.code.to_owned(),
            class: row.rule.class,
            state: row.state,
            compared: row.compared,
            broken: row.broken,
            max_gap_over_bound: row.ratio.and_then(|(max, _)| finite(max)),
            median_gap_over_bound: row.ratio.and_then(|(_, median)| finite(median)),
            informative: row.informative,
            first: row.at.as_ref().map(place),
            note: row.note.clone(),
        }
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// The text: one line a rule, then what it proves and what it does not; the last line is the verdict. Rows that say
/// nothing are told when all are asked for.
#[must_use]
pub fn lines(record: &Record, report: &Report, all: bool) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut line = |head: &str, text: String| lines.push((head.to_owned(), text));
    line(
        "",
        format!(
            "step {} of run {:?}: {} values, {} bytes of payload",
            record.step, record.run, report.elements, report.payload_bytes
        ),
    );
    for row in &report.rows {
        let head = format!("  {} {:<10} ", mark(row.state), row.rule.code);
        let text = match row.state {
            State::NotApplicable if !all => continue,
            State::NotApplicable => "nothing that it is about".to_owned(),
            State::Unseen => format!("not seen: {}", row.note.as_deref().unwrap_or_default()),
            _ => told(row),
        };
        line(&head, text);
    }
    for note in &report.notes {
        line("  note: ", note.clone());
    }
    line("proves: ", PROVES.to_owned());
    for limit in LIMITS {
        line("        ", limit.to_owned());
    }
    let informative = format!("informative {:.4}", report.informative);
    let verdict = match report.verdict {
        Verdict::Accepted => format!("accepted: class {}, {informative}", Arithmetic::of(report).name()),
        Verdict::Rejected => {
            let broken: Vec<String> =
                report.broken().map(|row| format!("{}:{}", row.rule.code, row.broken)).collect();
            format!("REJECTED: {} (class {}, {informative})", broken.join(" "), Arithmetic::of(report).name())
        }
        Verdict::Insufficient => {
            format!(
                "INSUFFICIENT: nothing is broken, and too little could be seen (class {}, {informative})",
                Arithmetic::of(report).name()
            )
        }
    };
    line("", verdict);
    lines
}

const fn mark(state: State) -> &'static str {
    match state {
        State::Holds => "[PASS]",
        State::Broken => "[FAIL]",
        State::Warns => "[WARN]",
        State::Blind | State::Unseen | State::NotApplicable => "[----]",
    }
}

fn told(row: &Row) -> String {
    let mut text = format!("{} compared", row.compared);
    if let Some((max, median)) = row.ratio {
        let _ = write!(text, ", gap over bound {max:.4} at most, {median:.4} in the middle");
    }
    if let Some(informative) = row.informative {
        let _ = write!(text, ", {:.2} % could show", 100.0 * informative);
    }
    if row.broken > 0 {
        let _ = write!(text, "; {} broken", row.broken);
    }
    if let Some(at) = &row.at {
        let _ = write!(text, ", first {:?} at {}", at.param, at.value.index);
        if at.value.gap.is_finite() {
            let _ = write!(text, " (off by {:.3e}, bound {:.3e})", at.value.gap, at.value.bound);
        }
    }
    if row.state == State::Blind {
        text += "; it could see nothing, since no value changed by more than its bound";
    }
    if let Some(note) = &row.note {
        let _ = write!(text, "; {note}");
    }
    text
}

//! What comparing and checking captures came to, as documents and as lines.

use std::fmt::Write as _;

use serde::{Serialize, Serializer};

use super::compare::{Comparison, Difference, Verdict};
use super::diff::{Diff, Row};
use super::forward::{Checked, Equation, Miss, State, Tally};
use super::index::Index;
use super::{Capture, Folder};
use crate::digest::Digest;

/// The format of a document on two captures.
const DIFF: &str = "bp-tensor-diff/1";
/// The format of a document on a forward pass.
const CHECK: &str = "bp-tensor-check/1";

/// What a comparison within bounds says.
pub const DIFF_PROVES: &str = "the captured values of the stages that are listed lie within the bounds that are listed of those of the reference";
/// What it does not say.
pub const DIFF_LIMITS: [&str; 3] = [
    "that either capture came from the model or the prompt that its index names",
    "that the reference is right",
    "anything of stages, tokens or prompts that were not captured",
];
/// What a forward pass whose equations hold says.
pub const CHECK_PROVES: &str =
    "the stages whose equations hold follow from the stages before them within the rounding of float32";
/// What it does not say.
pub const CHECK_LIMITS: [&str; 3] = [
    "that the values came from the model or the prompt that the index names",
    "anything of stages that are not checkable, attention among them",
    "that a model of another kind, with other norms or another activation, was meant to be held to these equations",
];

/// A number that a document can hold: JSON has no NaN and no infinity.
#[derive(Debug, Clone, Copy)]
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_finite() => serializer.serialize_f64(value),
            value if value.is_nan() => serializer.serialize_str("NaN"),
            value if value > 0.0 => serializer.serialize_str("inf"),
            _ => serializer.serialize_str("-inf"),
        }
    }
}

/// What is known of a capture.
#[derive(Debug, Serialize)]
pub struct Side {
    index_sha256: Option<Digest>,
    model: Option<String>,
    model_sha256: Option<Digest>,
    prompt_sha256: Option<Digest>,
    producer: Option<String>,
}

impl Side {
    /// What the index of a capture says, where it has one.
    #[must_use]
    pub fn of<F: Folder>(capture: &Capture<F>) -> Self {
        let index = capture.index();
        let producer = |index: &Index| format!("{} {}", index.producer.tool, index.producer.version);
        Self {
            index_sha256: index.map(|index| index.sha256),
            model: index.map(|index| index.model.name.clone()),
            model_sha256: index.map(|index| index.model.sha256),
            prompt_sha256: index.map(|index| index.prompt.sha256),
            producer: index.map(producer),
        }
    }
}

/// A comparison of two captures, as a document.
#[derive(Debug, Serialize)]
pub struct DiffDocument {
    schema: &'static str,
    verdict: &'static str,
    a: Side,
    b: Side,
    stages: Vec<StageRow>,
    only_in_a: Vec<String>,
    only_in_b: Vec<String>,
    first_differing: Option<String>,
    first_failing: Option<String>,
    not_compared: Vec<&'static str>,
    proves: &'static str,
    does_not_prove: [&'static str; 3],
}

#[derive(Debug, Serialize)]
struct StageRow {
    stage: String,
    verdict: &'static str,
    dtype_a: &'static str,
    dtype_b: &'static str,
    bound: Option<BoundRow>,
    values: u64,
    identical: bool,
    unequal: u64,
    over: u64,
    class_mismatches: u64,
    non_finite: u64,
    max_abs_diff: Number,
    max_rel_diff: Number,
    max_ulp: Option<u64>,
    rms_diff: Option<Number>,
    cosine_sim: Option<Number>,
    norm_ratio: Option<Number>,
    top_diffs: Vec<TopRow>,
}

#[derive(Debug, Serialize)]
struct BoundRow {
    abs: f64,
    rel: f64,
    from: &'static str,
    reasons: Vec<String>,
}

#[derive(Debug, Serialize)]
struct TopRow {
    index: u64,
    a: Number,
    b: Number,
    abs_diff: Number,
}

impl DiffDocument {
    /// The document.
    #[must_use]
    pub fn of(a: Side, b: Side, diff: &Diff) -> Self {
        let [only_in_a, only_in_b] =
            [0, 1].map(|side| diff.alone[side].iter().map(ToString::to_string).collect());
        Self {
            schema: DIFF,
            verdict: diff.verdict().name(),
            a,
            b,
            stages: diff.rows.iter().map(StageRow::of).collect(),
            only_in_a,
            only_in_b,
            first_differing: diff.first_differing().map(|place| place.to_string()),
            first_failing: diff.first_failing().map(|place| place.to_string()),
            not_compared: diff.unstated.iter().copied().collect(),
            proves: DIFF_PROVES,
            does_not_prove: DIFF_LIMITS,
        }
    }
}

impl StageRow {
    fn of(row: &Row) -> Self {
        let Row { place, dtypes, bound, compared } = row;
        // Between numbers of experts there is no distance.
        let apart = !place.stage.is_index();
        let number = |value: Option<f64>| value.filter(|_| apart).map(Number);
        Self {
            stage: place.to_string(),
            verdict: compared.verdict().name(),
            dtype_a: dtypes[0].name(),
            dtype_b: dtypes[1].name(),
            bound: bound.as_ref().map(|(bound, origin)| BoundRow {
                abs: bound.abs(),
                rel: bound.rel(),
                from: origin.name(),
                reasons: origin.reasons().to_vec(),
            }),
            values: compared.count,
            identical: compared.unequal == 0,
            unequal: compared.unequal,
            over: compared.over,
            class_mismatches: compared.mismatched,
            non_finite: compared.non_finite,
            max_abs_diff: Number(compared.max_abs),
            max_rel_diff: Number(compared.max_rel),
            max_ulp: (dtypes[0] == dtypes[1]).then_some(compared.max_ulp),
            rms_diff: number(compared.rms()),
            cosine_sim: number(compared.cosine()),
            norm_ratio: number(compared.norm_ratio()),
            top_diffs: compared.top().iter().map(TopRow::of).collect(),
        }
    }
}

impl TopRow {
    fn of(difference: &Difference) -> Self {
        let Difference { index, a, b, abs } = *difference;
        Self { index, a: Number(a), b: Number(b), abs_diff: Number(abs) }
    }
}

/// A forward pass that was checked, as a document.
#[derive(Debug, Serialize)]
pub struct CheckDocument {
    schema: &'static str,
    verdict: &'static str,
    capture: Side,
    assumes: Vec<&'static str>,
    weights: Option<WeightsRow>,
    holds: u64,
    broken: u64,
    not_checkable: u64,
    equations: Vec<EquationRow>,
    proves: &'static str,
    does_not_prove: [&'static str; 3],
}

/// The weights that took part.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct WeightsRow {
    /// The digest of their file.
    pub sha256: Digest,
    /// Whether that is the digest of the model in the index; none without an index.
    pub of_the_index: Option<bool>,
}

#[derive(Debug, Serialize)]
struct EquationRow {
    stage: String,
    equation: String,
    state: &'static str,
    compared: u64,
    undecided: u64,
    blind: u64,
    broken: u64,
    max_gap_over_bound: Option<Number>,
    first_broken: Option<MissRow>,
    why: Option<String>,
}

#[derive(Debug, Serialize)]
struct MissRow {
    index: u64,
    stored: Number,
    derived: Number,
    bound: Number,
}

impl CheckDocument {
    /// The document.
    #[must_use]
    pub fn of<F: Folder>(capture: &Capture<F>, weights: Option<WeightsRow>, checked: &Checked) -> Self {
        let [holds, broken, not_checkable] = checked.counts();
        Self {
            schema: CHECK,
            verdict: verdict(checked),
            capture: Side::of(capture),
            assumes: assumes(capture.index().is_some()),
            weights,
            holds,
            broken,
            not_checkable,
            equations: checked.equations.iter().map(EquationRow::of).collect(),
            proves: CHECK_PROVES,
            does_not_prove: CHECK_LIMITS,
        }
    }
}

/// What a check came to, in a word.
#[must_use]
pub fn verdict(checked: &Checked) -> &'static str {
    match checked.counts() {
        [0, 0, _] => "not_judged",
        [_, 0, _] => "pass",
        _ => "fail",
    }
}

fn assumes(indexed: bool) -> Vec<&'static str> {
    let mut assumes = vec!["norms before the blocks, RMS norms, a gated SiLU, names of stages as they are"];
    if !indexed {
        assumes.push("that the forward pass was computed in float32 or wider: no index says in what");
    }
    assumes
}

impl EquationRow {
    fn of(equation: &Equation) -> Self {
        let (state, tally, why) = match &equation.state {
            State::Holds(tally) => ("holds", *tally, None),
            State::Broken(tally) => ("broken", *tally, None),
            State::NotCheckable(why) => ("not_checkable", Tally::default(), Some(why.clone())),
        };
        Self {
            stage: equation.place.to_string(),
            equation: equation.formula.clone(),
            state,
            compared: tally.compared,
            undecided: tally.undecided,
            blind: tally.blind,
            broken: tally.broken,
            max_gap_over_bound: why.is_none().then_some(Number(tally.ratio)),
            first_broken: tally.first.map(|Miss { index, stored, derived, bound }| MissRow {
                index,
                stored: Number(stored),
                derived: Number(derived),
                bound: Number(bound),
            }),
            why,
        }
    }
}

/// The lines of a comparison: a head and its words. `all` tells the largest differences of each stage.
#[must_use]
pub fn diff_lines(diff: &Diff, all: bool) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for row in &diff.rows {
        let Row { place, compared, bound, .. } = row;
        lines.push((format!("{:<11}", compared.verdict().name()), format!("{place}: {}", distance(row))));
        if let (Some((_, origin)), true) = (bound, all) {
            lines.push(("             bound: ".to_owned(), format!("from {}", origin.name())));
            lines.extend(
                origin.reasons().iter().map(|reason| ("             reason: ".to_owned(), reason.clone())),
            );
        }
        if all || compared.verdict() == Verdict::Fail {
            let top = compared.top().iter().map(|at| {
                (
                    "             ".to_owned(),
                    format!("[{}]  {:e}  {:e}  apart {:e}", at.index, at.a, at.b, at.abs),
                )
            });
            lines.extend(top);
        }
    }
    for (head, places) in ["only in A: ", "only in B: "].into_iter().zip(&diff.alone) {
        if !places.is_empty() {
            let places: Vec<String> = places.iter().map(ToString::to_string).collect();
            lines.push((head.to_owned(), places.join(" ")));
        }
    }
    let first = |head: &str, place: Option<super::Place>| {
        (head.to_owned(), place.map_or_else(|| "none".to_owned(), |place| place.to_string()))
    };
    lines.push(first("first stage with other bits: ", diff.first_differing()));
    lines.push(first("first stage beyond its bound: ", diff.first_failing()));
    if !diff.unstated.is_empty() {
        let unstated: Vec<&str> = diff.unstated.iter().copied().collect();
        lines.push(("not compared: ".to_owned(), format!("{}, which no index states", unstated.join(", "))));
    }
    lines.push(("does not prove: ".to_owned(), DIFF_LIMITS.join("; ")));
    let word = match diff.verdict() {
        Verdict::Pass => "every stage is within its bound",
        Verdict::Fail => "FAILED",
        Verdict::NotJudged if diff.alone.iter().all(Vec::is_empty) => {
            "NOT JUDGED: a stage has no bound, neither from --tol ABS,REL nor from an index"
        }
        Verdict::NotJudged => "NOT JUDGED: a stage is in one capture alone, or has no bound",
    };
    lines.push((String::new(), word.to_owned()));
    lines
}

/// How far a stage is apart, in one line.
fn distance(row: &Row) -> String {
    let Comparison { count, unequal, over, mismatched, max_abs, max_rel, max_ulp, .. } = row.compared;
    if unequal == 0 {
        return format!("{count} values, the same bits");
    }
    let mut line = format!("{count} values, {unequal} with other bits");
    if let Some((bound, _)) = &row.bound {
        let _ = write!(line, ", {over} beyond {:e} + {:e} * |b|", bound.abs(), bound.rel());
    }
    if mismatched > 0 {
        let _ = write!(line, ", {mismatched} of another class");
    }
    if row.place.stage.is_index() {
        return line;
    }
    let _ = write!(line, ", max abs {max_abs:.3e}, max rel {max_rel:.3e}");
    if row.dtypes[0] == row.dtypes[1] {
        let _ = write!(line, ", max ulp {max_ulp}");
    }
    for (name, value) in [
        ("rms", row.compared.rms()),
        ("cosine", row.compared.cosine()),
        ("norm ratio", row.compared.norm_ratio()),
    ] {
        if let Some(value) = value {
            let _ = match name {
                "rms" => write!(line, ", rms {value:.3e}"),
                _ => write!(line, ", {name} {value:.9}"),
            };
        }
    }
    line
}

/// The lines of a check: a head and its words.
#[must_use]
pub fn check_lines(document: &CheckDocument) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for row in &document.equations {
        let head = format!("{:<15}", row.state.replace('_', " "));
        let mut line = format!("{} = {}", row.stage, row.equation);
        match (&row.why, &row.first_broken) {
            (Some(why), _) => line = format!("{}: {why}", row.stage),
            (None, Some(MissRow { index, stored, derived, bound })) => {
                let (stored, derived, bound) = (stored.0, derived.0, bound.0);
                let _ = write!(
                    line,
                    ": {} of {} values; [{index}] is {stored:e}, derived {derived:e}, bound {bound:e}",
                    row.broken, row.compared
                );
            }
            (None, None) => {
                let ratio = row.max_gap_over_bound.map_or(0.0, |ratio| ratio.0);
                let _ = write!(line, ": {} values, at most {ratio:.2} of the bound", row.compared);
                if row.blind > 0 {
                    let _ = write!(line, ", {} of them with a bound as large as half the value", row.blind);
                }
            }
        }
        if row.undecided > 0 {
            let _ = write!(line, ", {} not decided", row.undecided);
        }
        lines.push((head, line));
    }
    lines.extend(document.assumes.iter().map(|assumed| ("assumes: ".to_owned(), (*assumed).to_owned())));
    if let Some(WeightsRow { of_the_index: Some(false), .. }) = document.weights {
        let told = "their file has another digest than the model in the index";
        lines.push(("weights: ".to_owned(), told.to_owned()));
    }
    lines.push(("does not prove: ".to_owned(), CHECK_LIMITS.join("; ")));
    let CheckDocument { holds, broken, not_checkable, verdict, .. } = document;
    let word = match *verdict {
        "pass" => "no equation is broken",
        "fail" => "FAILED",
        _ => "NOT JUDGED: no equation could be checked",
    };
    lines.push((
        String::new(),
        format!("{word}: {holds} hold, {broken} broken, {not_checkable} not checkable"),
    ));
    lines
}

//! A judged step for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::judge::{Report, Row, State, Verdict};
use super::record::Record;

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

/// The document.
#[must_use]
pub fn document(record: &Record, report: &Report) -> Value {
    let rows: Vec<Value> = report.rows.iter().map(row).collect();
    let tensors: Vec<Value> = report
        .tensors
        .iter()
        .map(|tensor| {
            let stages: serde_json::Map<String, Value> = tensor
                .stages
                .iter()
                .map(|(rule, max, median)| (rule.code.to_owned(), json!({ "max": max, "median": median })))
                .collect();
            json!({
                "param": tensor.param,
                "elements": tensor.elements,
                "replayed": tensor.replayed,
                "gap_over_bound": stages,
            })
        })
        .collect();
    json!({
        "schema": "bp-step/1",
        "run": record.run,
        "step": record.step,
        "record_sha256": record.sha256,
        "payload_sha256": record.payload.sha256,
        "verdict": report.verdict.name(),
        "class": class(report),
        "informative": report.informative,
        "elements": report.elements,
        "payload_bytes": report.payload_bytes,
        "rules": rows,
        "tensors": tensors,
        "notes": report.notes,
        "proves": PROVES,
        "does_not_prove": LIMITS,
    })
}

fn class(report: &Report) -> &'static str {
    if report.bitwise { "bitwise" } else { "bounded" }
}

fn row(row: &Row) -> Value {
    json!({
        "code": row.rule.code,
        "class": row.rule.class.name(),
        "state": row.state.name(),
        "compared": row.compared,
        "broken": row.broken,
        "max_gap_over_bound": row.ratio.map(|(max, _)| max),
        "median_gap_over_bound": row.ratio.map(|(_, median)| median),
        "informative": row.informative,
        "first": row.at.as_ref().map(|at| json!({
            "param": at.param,
            "index": at.value.index,
            "gap": finite(at.value.gap),
            "bound": finite(at.value.bound),
        })),
        "note": row.note,
    })
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
        Verdict::Accepted => format!("accepted: class {}, {informative}", class(report)),
        Verdict::Rejected => {
            let broken: Vec<String> =
                report.broken().map(|row| format!("{}:{}", row.rule.code, row.broken)).collect();
            format!("REJECTED: {} (class {}, {informative})", broken.join(" "), class(report))
        }
        Verdict::Insufficient => {
            format!(
                "INSUFFICIENT: nothing is broken, and too little could be seen (class {}, {informative})",
                class(report)
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

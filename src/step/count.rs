//! Comparisons of one rule over modules, until they are a row.

use super::judge::{At, Row, State};
use super::kernel::within;
use super::rule::Rule;
use super::tally::{First, SAMPLE};

/// Comparisons of a rule over modules.
pub(super) struct Count {
    rule: &'static Rule,
    compared: u64,
    broken: u64,
    informative: u64,
    largest: f64,
    ratios: Vec<f64>,
    at: Option<At>,
    /// What is broken, in words.
    note: Option<String>,
    /// What was compared, in words.
    pub(super) drawn: Option<String>,
    /// What could not be compared, in words.
    pub(super) unseen: Option<String>,
}

impl Count {
    pub(super) const fn new(rule: &'static Rule) -> Self {
        Self {
            rule,
            compared: 0,
            broken: 0,
            informative: 0,
            largest: 0.0,
            ratios: Vec::new(),
            at: None,
            note: None,
            drawn: None,
            unseen: None,
        }
    }

    /// A stored value that is off by `gap`, where it may be off by `bound` and its size is `size`. A bound that is not
    /// finite bounds nothing.
    pub(super) fn take(&mut self, module: &str, index: usize, gap: f64, bound: f64, size: f64) {
        self.compared += 1;
        self.informative += u64::from(size.abs() > bound);
        let ratio = if gap.abs() <= 0.0 { 0.0 } else { gap.abs() / bound };
        self.largest = if ratio > self.largest { ratio } else { self.largest };
        if (self.ratios.len() as u64) < SAMPLE {
            self.ratios.push(ratio);
        }
        if !(within(gap.abs(), bound) && bound.is_finite()) {
            self.broken += 1;
            let value = First { index: index as u64, gap, bound };
            self.at.get_or_insert_with(|| At { param: module.to_owned(), value });
        }
    }

    pub(super) fn equal(&mut self, equal: bool, note: impl FnOnce() -> String) {
        self.compared += 1;
        self.informative += 1;
        if !equal {
            self.broken += 1;
            self.note.get_or_insert_with(note);
        }
    }

    pub(super) fn row(mut self) -> Row {
        let state = match (self.compared, self.broken, self.informative) {
            (0, ..) => {
                return match self.unseen {
                    Some(why) => Row::unseen(self.rule, why),
                    None => Row::new(self.rule, State::NotApplicable),
                };
            }
            (_, 1.., _) => State::Broken,
            (_, _, 0) => State::Blind,
            _ => State::Holds,
        };
        self.ratios.sort_by(f64::total_cmp);
        let middle = self.ratios.get(self.ratios.len() / 2).copied();
        #[expect(clippy::cast_precision_loss, reason = "a share may be rounded")]
        let informative = Some(self.informative as f64 / self.compared as f64);
        let notes: Vec<String> = [self.note, self.drawn, self.unseen].into_iter().flatten().collect();
        Row {
            state,
            compared: self.compared,
            broken: self.broken,
            at: self.at,
            ratio: middle.map(|middle| (self.largest, middle)),
            informative,
            note: (!notes.is_empty()).then(|| notes.join("; ")),
            rule: self.rule,
        }
    }
}

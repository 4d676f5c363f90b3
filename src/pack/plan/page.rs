//! Page one of a pack, for a reader.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::Terms;
use super::results::{FinalVerdict, Judged};
use crate::pack::manifest::{ClockSource, Moment, PackId};
use crate::report::Outcome;
use crate::trust::KeyId;

#[derive(Serialize)]
struct Page<'a> {
    pack_id: &'a PackId,
    created_at: &'a Moment,
    clock: &'static str,
    producer: String,
    judge: String,
    rule_count: usize,
    run: String,
    key: String,
    sealed: bool,
    verdict: &'static str,
    verdict_sentence: String,
    inputs: &'a [Judged],
    open_points: Vec<String>,
}

/// The bytes of `README.md`.
pub(super) fn readme(
    verdict: &FinalVerdict,
    terms: &Terms,
    pack_id: &PackId,
    key_id: Option<&KeyId>,
) -> String {
    let Terms { created_at, created_at_source, producer, judge, subject, .. } = terms;
    let page = Page {
        pack_id,
        created_at,
        clock: match created_at_source {
            ClockSource::Argument => "named by the caller",
            ClockSource::SourceDateEpoch => "SOURCE_DATE_EPOCH",
            ClockSource::SystemClock => "the maker's clock",
        },
        producer: plain(&format!("{} {} {}", producer.name, producer.version, producer.build)),
        judge: plain(&format!("{} {}", judge.name, judge.version)),
        rule_count: judge.rules.len(),
        run: plain(subject.run_name.as_ref().or(subject.run_id.as_ref()).map_or("not named", String::as_str)),
        key: key_id.map_or_else(|| "none".to_owned(), KeyId::to_string),
        sealed: key_id.is_some(),
        verdict: verdict.verdict.name(),
        verdict_sentence: verdict.sentence(),
        inputs: &verdict.inputs,
        open_points: open_points(verdict, terms, key_id.is_some()),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the default delimiters differ"));
    environment
        .render_str(include_str!("../../../templates/pack-readme.md.j2"), Serde(page))
        .expect("the template names members of its page only")
}

fn open_points(verdict: &FinalVerdict, terms: &Terms, sealed: bool) -> Vec<String> {
    let mut points = Vec::new();
    points.extend(verdict.shortfalls.iter().map(|shortfall| format!("Scenario {}.", plain(shortfall))));
    let by_itself = verdict.scenarios.is_none();
    for input in verdict.inputs.iter().filter(|input| by_itself && input.outcome != Outcome::Pass) {
        points.push(format!("`{}` came to {}: see `verify/{0}.json`.", input.stem, input.outcome.name()));
    }
    if !sealed {
        points.push("The pack is not sealed.".to_owned());
    }
    if terms.subject.artifacts.is_empty() {
        points.push("No artifact (weights, data set) is bound to this pack by digest.".to_owned());
    }
    points.push("No independent time stamp and no sign-off is part of this pack.".to_owned());
    points
}

/// Text from outside, cut to what can neither end a code span nor a table cell.
fn plain(text: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || " ._:+@/-".contains(letter);
    text.chars().take(80).map(|letter| if allowed(letter) { letter } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_leave_its_cell() {
        assert_eq!(plain("a`|\n# b<script>"), "a???? b?script?");
    }
}

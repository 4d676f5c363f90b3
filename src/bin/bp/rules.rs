//! `rules`: the table that runs, for reading.

use bp::error::{self, Failure};
use bp::reconcile::rule::Rule;
use bp::reconcile::rules::RULES;
use serde_json::{Value, json};

use crate::Run;
use crate::output::Output;

pub(crate) fn rules(number: Option<&str>, output: &Output) -> Run {
    let chosen: Vec<&Rule> =
        RULES.iter().filter(|rule| number.is_none_or(|number| rule.id.to_string() == number)).collect();
    if let (Some(number), []) = (number, chosen.as_slice()) {
        let known: Vec<String> = RULES.iter().map(|rule| rule.id.to_string()).collect();
        let message = format!("there is no rule {number}");
        return Err(Failure::new(&error::INVALID_FLAG, message).hint(format!("rules: {}", known.join(" "))));
    }
    if output.json {
        let rows: Vec<Value> = chosen
            .iter()
            .map(|rule| {
                json!({
                    "id": rule.id,
                    "title": rule.title,
                    "citation": rule.citation,
                    "applies": rule.applies,
                })
            })
            .collect();
        output.envelope(&json!({ "ok": true, "rules": rows }))?;
        return Ok(0);
    }
    let mut text = String::new();
    for rule in chosen {
        let id = rule.id.to_string();
        text.push_str(&folded(&format!("{id:>4}  "), rule.title));
        if number.is_some() || output.verbose {
            text.push_str(&folded("      applies: ", rule.applies));
            text.push_str(&folded("      source:  ", rule.citation));
        }
    }
    output.data(text.as_bytes())?;
    Ok(0)
}

/// A paragraph at 80 columns, its first line led by `lead` and the others indented as far.
pub(crate) fn folded(lead: &str, text: &str) -> String {
    const WIDTH: usize = 79;
    let indent = " ".repeat(lead.len());
    let mut lines = vec![lead.to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("a paragraph has a first line");
        let begun = line.len() > lead.len();
        if begun && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{indent}{word}"));
            continue;
        }
        if begun {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.join("\n") + "\n"
}

//! `rules`: the table that runs, for reading.

use bp::error::{self, Failure};
use bp::reconcile::rule::Rule;
use bp::reconcile::rules::RULES;
use bp::report::{Long, fold};
use serde_json::{Value, json};

use crate::Run;
use crate::output::Output;

pub(crate) fn rules(number: Option<&str>, output: &Output) -> Run {
    let chosen: Vec<&Rule> =
        RULES.iter().filter(|rule| number.is_none_or(|number| rule.id.to_string() == number)).collect();
    if let (Some(number), []) = (number, chosen.as_slice()) {
        let known: Vec<String> = RULES.iter().map(|rule| rule.id.to_string()).collect();
        let message = format!("there is no rule {number}");
        let hint = format!("the rules are {}", known.join(" "));
        return Err(Failure::new(&error::INVALID_FLAG, message).hint(hint));
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
        text.push_str(&fold(&format!("{id:>4}  "), rule.title, Long::Keep));
        if number.is_some() || output.verbose {
            text.push_str(&fold("      applies: ", rule.applies, Long::Keep));
            text.push_str(&fold("      source:  ", rule.citation, Long::Keep));
        }
    }
    output.data(text.as_bytes())?;
    Ok(0)
}

//! `rules`: the tables that run, for reading: those of receipts, and those of an optimizer's steps.

use bp::error::{self, Failure};
use bp::reconcile::rules::RULES;
use bp::report::{Long, fold};
use bp::step;
use serde_json::{Value, json};

use crate::Run;
use crate::output::Output;

/// A rule of either table.
struct Row {
    id: String,
    title: &'static str,
    citation: &'static str,
    applies: &'static str,
}

impl Row {
    fn document(&self) -> Value {
        json!({ "id": self.id, "title": self.title, "citation": self.citation, "applies": self.applies })
    }
}

pub(crate) fn rules(number: Option<&str>, output: &Output) -> Run {
    let chosen = |row: &Row| number.is_none_or(|number| row.id.eq_ignore_ascii_case(number));
    let receipts = RULES.iter().map(|rule| Row {
        id: rule.id.to_string(),
        title: rule.title,
        citation: rule.citation,
        applies: rule.applies,
    });
    let steps = step::RULES.iter().map(|rule| Row {
        id: rule.code.to_owned(),
        title: rule.title,
        citation: rule.citation,
        applies: rule.applies,
    });
    let (receipts, steps): (Vec<Row>, Vec<Row>) =
        (receipts.filter(chosen).collect(), steps.filter(chosen).collect());
    if let (Some(number), true) = (number, receipts.is_empty() && steps.is_empty()) {
        let known: Vec<String> = RULES.iter().map(|rule| rule.id.to_string()).collect();
        let of_steps: Vec<&str> = step::RULES.iter().map(|rule| rule.code).collect();
        let message = format!("there is no rule {number}");
        let hint = format!("the rules are {}; of steps: {}", known.join(" "), of_steps.join(" "));
        return Err(Failure::new(&error::INVALID_FLAG, message).hint(hint));
    }
    if output.json {
        let documents = |rows: &[Row]| rows.iter().map(Row::document).collect::<Vec<_>>();
        output.envelope(
            &json!({ "ok": true, "rules": documents(&receipts), "step_rules": documents(&steps) }),
        )?;
        return Ok(0);
    }
    let mut text = String::new();
    for (rows, width) in [(&receipts, 4), (&steps, 12)] {
        if rows.len() > 1 && width > 4 {
            text.push_str("\nsteps of an optimizer\n");
        }
        for row in rows {
            text.push_str(&fold(&format!("{:>width$}  ", row.id), row.title, Long::Keep));
            if number.is_some() || output.verbose {
                text.push_str(&fold("      applies: ", row.applies, Long::Keep));
                text.push_str(&fold("      source:  ", row.citation, Long::Keep));
            }
        }
    }
    output.data(text.as_bytes())?;
    Ok(0)
}

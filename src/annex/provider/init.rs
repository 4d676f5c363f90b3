//! A `provider.toml` to begin with: every key, what it answers, and no answer.

use std::fmt::Write as _;

use super::FORMAT;
use super::fields::{BY, SECTIONS, Shape};

/// The commented file. It parses as a file that says nothing.
#[must_use]
pub fn template() -> String {
    let mut text = format!(
        "# What people say about the AI system, for the Annex IV mapping of a pack.\n\
         # Every key is optional. Remove the `# ` before a key and fill it in; empty, \"-\", \"tbd\" and \"n/a\" are no answer.\n\
         # Paths are relative to this file; the files go into the pack. Mail addresses and telephone numbers stay out.\n\
         # A list is written [\"one\", \"two\"]. Tables in [[double]] brackets may stand here several times.\n\n\
         schema = \"{FORMAT}\"\n\n\
         # Who says all this, and on which day; any table below may name its own.\n\
         # stated_by = \"p1\"\n# stated_on = 2026-01-31\n"
    );
    for section in SECTIONS.iter().filter(|section| !section.name.is_empty()) {
        let (open, close) = if section.list { ("[[", "]]") } else { ("[", "]") };
        let _ = write!(text, "\n# {open}{}{close}\n", section.name);
        for field in section.fields.iter().filter(|field| !BY.contains(&field.key)) {
            let line = format!("# {} = {}", field.key, example(field.shape));
            let _ = writeln!(text, "{line:<34} # {}: {}", field.point, field.about);
        }
    }
    text
}

fn example(shape: Shape) -> &'static str {
    match shape {
        Shape::Items(_) | Shape::Files(_) | Shape::Roles | Shape::Points => "[]",
        Shape::Flag => "false",
        Shape::Text
        | Shape::Date
        | Shape::Digest
        | Shape::File(_)
        | Shape::Choice(_)
        | Shape::Classification
        | Shape::Person => "\"\"",
    }
}

//! Templates of others, which may come with a stranger's pack: what they may use, so that rendering one is bounded.
//!
//! A template may print members of the page, loop over them and choose by them. It may build nothing that grows: no
//! operators on values, no variables of its own, no other templates, no functions. Two values of the page are never
//! compared with each other, since that can take as long as the page is large. Work, text that a filter takes, and what is
//! printed have limits. A list of what is allowed, not of what is not: a newer engine brings nothing new with it.

use std::io;

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value, filters, tests};

/// A template is no longer than this.
pub const MAX_TEMPLATE_BYTES: usize = 1 << 20;
/// What it prints is no longer than this.
pub(super) const MAX_PRINTED_BYTES: usize = 16 << 20;
/// Instructions that it may take; the embedded templates take a tenth for a full answer.
const FUEL: u64 = 2_000_000;
/// The longest text or list that a filter takes, in bytes or items.
const MAX_FILTERED: usize = 1 << 16;
/// A slice ends within so many letters.
const MAX_SLICE: u64 = 64;

/// Words that may begin a block.
const BLOCKS: [&str; 6] = ["for", "endfor", "if", "elif", "else", "endif"];
/// Filters.
const FILTERS: [&str; 5] = ["capitalize", "join", "length", "lower", "upper"];
/// Words of the language after which a parenthesis groups.
const WORDS: [&str; 7] = ["if", "elif", "and", "or", "not", "in", "is"];

/// The environment of a template of others: it has nothing but what is listed here.
pub(super) fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::empty();
    environment.set_fuel(Some(FUEL));
    environment.add_test("none", tests::is_none);
    environment.add_test("defined", tests::is_defined);
    environment.add_filter("length", |value: &Value| bounded(value).and_then(|()| filters::length(value)));
    let text = |change: fn(&str) -> String| {
        move |value: &Value| -> Result<String, Error> {
            bounded(value)?;
            Ok(change(value.as_str().unwrap_or_default()))
        }
    };
    environment.add_filter("upper", text(str::to_uppercase));
    environment.add_filter("lower", text(str::to_lowercase));
    environment.add_filter("capitalize", text(capitalized));
    environment.add_filter("join", join);
    environment
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + &letters.as_str().to_lowercase()
    })
}

fn join(values: &Value, separator: Option<&str>) -> Result<String, Error> {
    bounded(values)?;
    let mut joined = String::new();
    for (index, value) in values.try_iter()?.enumerate() {
        if index > 0 {
            joined.push_str(separator.unwrap_or_default());
        }
        bounded(&value)?;
        match value.as_str() {
            Some(text) => joined.push_str(text),
            None if value.is_number() => joined.push_str(&value.to_string()),
            None => return Err(Error::new(ErrorKind::InvalidOperation, "only texts and numbers are joined")),
        }
        if joined.len() > MAX_FILTERED {
            return Err(too_long());
        }
    }
    Ok(joined)
}

/// What a filter may take.
fn bounded(value: &Value) -> Result<(), Error> {
    let length = match value.kind() {
        ValueKind::String => value.as_str().map_or(0, str::len),
        _ => value.len().unwrap_or_default(),
    };
    if length > MAX_FILTERED { Err(too_long()) } else { Ok(()) }
}

fn too_long() -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        format!("a filter takes {MAX_FILTERED} bytes, or items, and no more"),
    )
}

/// Takes what is printed, up to the limit.
pub(super) struct Printed(pub(super) Vec<u8>);

impl io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_PRINTED_BYTES {
            return Err(io::Error::other(format!("more than {MAX_PRINTED_BYTES} bytes are printed")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses a template that uses something else than it may, with the line.
pub(super) fn allowed(text: &str, syntax: &SyntaxConfig) -> Result<(), String> {
    if text.len() > MAX_TEMPLATE_BYTES {
        return Err(format!("longer than {MAX_TEMPLATE_BYTES} bytes"));
    }
    let mut tokens = Vec::new();
    for token in tokenize(text, false, syntax.clone()) {
        let (token, span) = token.map_err(|error| error.to_string())?;
        tokens.push((token, span.start_line));
    }
    let word = |at: Option<usize>| match at.and_then(|at| tokens.get(at)) {
        Some((Token::Ident(word), _)) => Some(*word),
        _ => None,
    };
    let mut loops = 0;
    for (at, (token, line)) in tokens.iter().enumerate() {
        let before = at.checked_sub(1);
        let sound = match token {
            Token::BlockStart => {
                let name = word(Some(at + 1));
                loops = usize::from(name == Some("for"));
                name.is_some_and(|name| BLOCKS.contains(&name))
            }
            Token::Ident("recursive") => false,
            // The one of `for x in y`; anywhere else it compares.
            Token::Ident("in") => {
                loops = usize::wrapping_sub(loops, 1);
                loops == 0
            }
            Token::Pipe => word(Some(at + 1)).is_some_and(|name| FILTERS.contains(&name)),
            Token::Eq | Token::Ne | Token::Gt | Token::Gte | Token::Lt | Token::Lte => {
                let constant = |word: &str| ["none", "true", "false"].contains(&word);
                let literal = matches!(tokens.get(at + 1), Some((Token::Str(_) | Token::Int(_), _)));
                literal || word(Some(at + 1)).is_some_and(constant)
            }
            Token::Colon => {
                matches!(before.and_then(|at| tokens.get(at)), Some((Token::BracketOpen, _)))
                    && matches!(tokens.get(at + 1), Some((Token::Int(end), _)) if *end <= MAX_SLICE)
            }
            Token::ParenOpen => match word(before) {
                Some(name) if FILTERS.contains(&name) => {
                    matches!(before.and_then(|at| tokens.get(at.checked_sub(1)?)), Some((Token::Pipe, _)))
                }
                Some(name) => WORDS.contains(&name),
                None => !matches!(
                    before.and_then(|at| tokens.get(at)),
                    Some((Token::ParenClose | Token::BracketClose | Token::Str(_), _))
                ),
            },
            Token::TemplateData(_)
            | Token::VariableStart
            | Token::VariableEnd
            | Token::BlockEnd
            | Token::Ident(_)
            | Token::Str(_)
            | Token::String(_)
            | Token::Int(_)
            | Token::Dot
            | Token::Comma
            | Token::BracketOpen
            | Token::BracketClose
            | Token::ParenClose => true,
            _ => false,
        };
        if !sound {
            return Err(format!("line {line}: {} is more than a template here may use", told(token)));
        }
    }
    Ok(())
}

fn told(token: &Token<'_>) -> String {
    match token {
        Token::BlockStart => "this block".to_owned(),
        Token::Pipe => "this filter".to_owned(),
        Token::Ident(word) => format!("`{word}`"),
        Token::ParenOpen => "a call".to_owned(),
        Token::Eq | Token::Ne | Token::Gt | Token::Gte | Token::Lt | Token::Lte => {
            "comparing with something else than a literal".to_owned()
        }
        Token::Colon => "a slice, except of the first letters".to_owned(),
        _ => "an operator".to_owned(),
    }
}

#[cfg(test)]
mod tests_of_what_is_allowed {
    use super::*;

    #[test]
    fn what_grows_or_reaches_elsewhere_is_refused() {
        let syntax = SyntaxConfig::default();
        for text in [
            "{{ a ~ a }}",
            "{{ 'a' * 1000000 }}",
            "{{ a + a }}",
            "{{ 2 ** 64 }}",
            "{% set a = b %}",
            "{% set a %}x{% endset %}",
            "{% with a = 1 %}{% endwith %}",
            "{% macro a() %}{% endmacro %}",
            "{% include 'a' %}",
            "{% extends 'a' %}",
            "{% import 'a' as b %}",
            "{% filter upper %}x{% endfilter %}",
            "{% autoescape false %}{{ a }}{% endautoescape %}",
            "{% do a %}",
            "{% for a in b recursive %}{{ loop(a) }}{% endfor %}",
            "{{ range(100000) }}",
            "{{ a.items() }}",
            "{{ a['b']() }}",
            "{{ (a)(b) }}",
            "{{ loop.cycle(1) }}",
            "{{ a|replace('a', b) }}",
            "{{ a|safe }}",
            "{{ a|indent(1000000) }}",
            "{% for a in b if a in c %}{% endfor %}",
            "{% if a in b %}{% endif %}",
            "{% for in in in b %}{% endfor %}",
            "{{ a == b }}",
            "{{ a == [b] }}",
            "{{ a < 'x' == b }}",
            "{{ a[5:] }}",
            "{{ a[:1000] }}",
            "{{ a[:b] }}",
            "{{ {'a': a} }}",
            "{{ -a }}",
            "{# {{ ' #}{{ a ~ a }}{# ' }} #}",
            "{% raw %}{{ ' {% endraw %}{{ a ~ a }}{# ' #}",
        ] {
            assert!(allowed(text, &syntax).is_err(), "{text}");
        }
        for text in [
            "{{ a.b[0]['c'] }}, {{ a[:12] }} {# {% set a = b %} #}",
            "{% for a in b %}{{ loop.index }}{{ a|join(', ')|upper }}{% else %}-{% endfor %}",
            "{% if (a == 'x' or b is not none) and not c is defined %}1{% elif d == 1 %}{% else %}2{% endif %}",
            "{% for a in b if not a.c %}{% endfor %}{{ a if b else c or 'd' }}",
            "{% raw %}{{ a ~ a }}{% endraw %}",
        ] {
            assert_eq!(allowed(text, &syntax), Ok(()), "{text}");
        }
        assert!(allowed(&"x".repeat(MAX_TEMPLATE_BYTES + 1), &syntax).is_err());
    }
}

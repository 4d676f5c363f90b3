//! Templates of a pack's pages, rendered.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

/// A template rendered with its page. By its name, HTML and XML escape what they are given; Markdown does not.
pub(super) fn render(name: &str, template: &str, page: impl Serialize) -> String {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the default delimiters differ"));
    environment
        .render_named_str(name, template, Serde(page))
        .expect("the template names members of its page only")
}

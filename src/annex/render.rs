//! The answer as Markdown and as one HTML page, from the same data, by templates that can be replaced.
//!
//! Text from outside cannot leave its place: in HTML everything is escaped; in Markdown every character that could mark
//! anything up is. Control characters, and those that turn the direction of writing, are shown by their code points.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value as Template};
use serde_json::{Value, json};

use super::ANNEX_JSON;
use super::catalogue::{Catalogue, Source};
use super::envelope::Standing;
use super::foreign;
use super::model::{Annex, Assurance, Evidence, Facet, Status};
use crate::digest::Digest;

/// The name of the Markdown template in a folder of templates.
pub const MARKDOWN_TEMPLATE: &str = "annex-iv.md.j2";
/// The name of the HTML template in a folder of templates.
pub const HTML_TEMPLATE: &str = "annex-iv.html.j2";

const EMBEDDED_MARKDOWN: &str = include_str!("../../templates/annex-iv.md.j2");
const EMBEDDED_HTML: &str = include_str!("../../templates/annex-iv.html.j2");
/// The escaping of the Markdown template.
const MARKDOWN_ESCAPE: &str = "markdown";

/// The pair of templates that a rendering is made by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates<'a> {
    markdown: Cow<'a, str>,
    html: Cow<'a, str>,
}

impl Default for Templates<'_> {
    fn default() -> Self {
        Self { markdown: EMBEDDED_MARKDOWN.into(), html: EMBEDDED_HTML.into() }
    }
}

impl<'a> Templates<'a> {
    /// Templates of the caller; one that is absent is the embedded one.
    #[must_use]
    pub fn of(markdown: Option<&'a str>, html: Option<&'a str>) -> Self {
        let embedded = Self::default();
        Self {
            markdown: markdown.map_or(embedded.markdown, Cow::from),
            html: html.map_or(embedded.html, Cow::from),
        }
    }

    /// The same, with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Templates<'static> {
        Templates { markdown: self.markdown.into_owned().into(), html: self.html.into_owned().into() }
    }

    /// The digest of both, each by its own digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let of = |text: &str| Digest::of(text.as_bytes()).to_string();
        Digest::of(format!("{}\n{}\n", of(&self.markdown), of(&self.html)).as_bytes())
    }
}

/// A template that does not render: it names what is not there, or its own syntax is broken.
#[derive(Debug, thiserror::Error)]
#[error("{template}: {message}")]
pub struct RenderError {
    /// Which.
    pub template: &'static str,
    /// Where and what, in the template engine's words.
    pub message: String,
}

/// An answer to be rendered. What the embedded templates print is gathered once for both.
pub struct Renderer<'a> {
    annex: &'a Annex,
    catalogue: &'a Catalogue,
    /// The digest of `annex-iv.json`, where it is known already.
    whole: Option<Digest>,
    page: OnceCell<Template>,
}

impl<'a> Renderer<'a> {
    /// Of an answer to this catalogue.
    #[must_use]
    pub const fn new(annex: &'a Annex, catalogue: &'a Catalogue) -> Self {
        Self { annex, catalogue, whole: None, page: OnceCell::new() }
    }

    /// Of an answer whose `annex-iv.json` has this digest.
    #[must_use]
    pub fn written(annex: &'a Annex, catalogue: &'a Catalogue, sha256: Digest) -> Self {
        Self { whole: Some(sha256), ..Self::new(annex, catalogue) }
    }

    /// The Markdown.
    ///
    /// # Errors
    /// [`RenderError`]; never with the embedded templates.
    pub fn markdown(&self, templates: &Templates<'_>) -> Result<String, RenderError> {
        self.render(MARKDOWN_TEMPLATE, &templates.markdown)
    }

    /// The HTML: one file, without scripts, that loads nothing.
    ///
    /// # Errors
    /// [`RenderError`]; never with the embedded templates.
    pub fn html(&self, templates: &Templates<'_>) -> Result<String, RenderError> {
        // The engine escapes slashes too; they end nothing in text or in a quoted attribute, and paths stay readable.
        self.render(HTML_TEMPLATE, &templates.html).map(|html| html.replace("&#x2f;", "/"))
    }

    fn render(&self, name: &'static str, text: &str) -> Result<String, RenderError> {
        if [EMBEDDED_MARKDOWN, EMBEDDED_HTML].contains(&text) {
            let folded = || Folded::of(self.annex, self.whole);
            let page = self.page.get_or_init(|| page(&folded(), self.catalogue));
            return render(name, text, page.clone(), true);
        }
        // A template of others may list whatever it likes.
        render(name, text, page(&Folded::not(self.annex), self.catalogue), false)
    }
}

fn render(name: &'static str, text: &str, page: Template, own: bool) -> Result<String, RenderError> {
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    let syntax = syntax.expect("the default delimiters differ");
    if !own {
        foreign::allowed(text, &syntax).map_err(|message| RenderError { template: name, message })?;
    }
    let mut environment = if own { Environment::new() } else { foreign::environment() };
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|name| match name {
        HTML_TEMPLATE => AutoEscape::Html,
        _ => AutoEscape::Custom(MARKDOWN_ESCAPE.into()),
    });
    environment.set_formatter(|output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Template| {
        let is_markdown = matches!(state.auto_escape(), AutoEscape::Custom(name) if name == MARKDOWN_ESCAPE);
        if !is_markdown || value.is_safe() {
            return minijinja::escape_formatter(output, state, value);
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        output.write_str(&inert(&text)).map_err(minijinja::Error::from)
    });
    let told = |error: &minijinja::Error| {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            let _ = write!(message, ": {error}");
            cause = error.source();
        }
        RenderError { template: name, message }
    };
    let template = environment.template_from_named_str(name, text).map_err(|error| told(&error))?;
    if own {
        return template.render(page).map_err(|error| told(&error));
    }
    let mut printed = foreign::Printed(Vec::new());
    template.render_captured_to(page, &mut printed).map_err(|error| told(&error))?;
    Ok(String::from_utf8(printed.0).expect("a template prints text"))
}

/// Files of one kind, maker and assurance that a clause lists one by one. What is beyond is counted, and `annex-iv.json` has
/// it: a page with thousands of lines for one clause is read by nobody.
const LISTED: usize = 20;

/// An answer as a page lists it.
struct Folded<'a> {
    annex: Cow<'a, Annex>,
    /// The bytes that have all of it, where files are left out.
    whole: Option<Digest>,
    /// By clause: a file of each group that goes on, and how many more there are.
    more: BTreeMap<String, Vec<(Evidence, usize)>>,
    /// Files that are named nowhere on the page.
    unnamed: usize,
}

impl<'a> Folded<'a> {
    /// Nothing left out.
    fn not(annex: &'a Annex) -> Self {
        Self { annex: Cow::Borrowed(annex), whole: None, more: BTreeMap::new(), unnamed: 0 }
    }

    fn of(annex: &'a Annex, sha256: Option<Digest>) -> Self {
        let group = |file: &Evidence| (file.kind, file.produced_by.clone(), file.assurance);
        let mut folded = Self::not(annex);
        for (at, entry) in annex.entries.iter().enumerate() {
            for (place, facet) in
                entry.facets.iter().enumerate().filter(|(_, one)| one.evidence.len() > LISTED)
            {
                let mut groups: BTreeMap<_, (&Evidence, usize)> = BTreeMap::new();
                let mut listed = Vec::new();
                for file in &facet.evidence {
                    let (_, count) = groups.entry(group(file)).or_insert((file, 0));
                    *count += 1;
                    if *count <= LISTED {
                        listed.push(file.clone());
                    }
                }
                let more = groups.into_values().filter(|(_, count)| *count > LISTED);
                let more: Vec<_> = more.map(|(file, count)| (file.clone(), count - LISTED)).collect();
                if !more.is_empty() {
                    folded.annex.to_mut().entries[at].facets[place].evidence = listed;
                    folded.more.insert(facet.id.clone(), more);
                }
            }
        }
        if !folded.more.is_empty() {
            folded.whole = Some(sha256.unwrap_or_else(|| Digest::of(&annex.bytes())));
            folded.unnamed = files(annex).len() - files(&folded.annex).len();
        }
        folded
    }

    /// What the lines say that stand for the files left out of a clause.
    fn more(&self, facet: &Facet) -> Vec<Value> {
        let (Some(whole), Some(more)) = (self.whole, self.more.get(&facet.id)) else { return Vec::new() };
        let line = |(file, count): &(Evidence, usize)| {
            let whole = Evidence { path: ANNEX_JSON.to_owned(), sha256: whole, ..file.clone() };
            json!({ "count": count, "claim": claim(&whole) })
        };
        more.iter().map(line).collect()
    }
}

/// What the templates see: the answer with every word that they print.
fn page(folded: &Folded<'_>, catalogue: &Catalogue) -> Template {
    let annex = folded.annex.as_ref();
    let mut page = serde_json::to_value(annex).expect("an answer is JSON");
    let facet = |facet: &Facet| {
        let asked = catalogue.facet(&facet.id);
        let name = facet.id.rsplit('#').next().unwrap_or_default().replace('_', " ");
        let cross: Vec<Value> = catalogue
            .cross_references
            .iter()
            .filter(|item| item.facets.contains(&facet.id))
            .map(|item| json!({ "framework": item.framework, "item": item.item, "about": item.about, "fit": item.fit }))
            .collect();
        let limits: Vec<Value> = facet
            .limits
            .iter()
            .map(|id| json!({ "id": id, "text": annex.limits.get(id).map_or("", String::as_str) }))
            .collect();
        json!({
            "name": name,
            "anchor": anchor(&facet.id),
            "asks": asked.map_or("", |asked| asked.summary.as_str()),
            "condition": asked.and_then(|asked| asked.condition.as_deref()),
            "source_words": source_words(facet.source),
            "status_words": status_words(facet.status),
            "owner": catalogue.role(&facet.required_role),
            "claims": facet.evidence.iter().map(claim).collect::<Vec<_>>(),
            "more": folded.more(facet),
            "told": facet.statements.iter().map(|each| json!({ "field": each.field, "text": each.text })).collect::<Vec<_>>(),
            "stated_mark": facet.evidence.iter().find(|each| each.assurance == Assurance::Stated).map(mark),
            "opens": facet.open.iter().map(|open| json!({ "field": open.field, "owner": catalogue.role(&open.owner) })).collect::<Vec<_>>(),
            "limit_lines": limits,
            "cross": cross,
        })
    };
    for (entry, row) in annex.entries.iter().zip(page["entries"].as_array_mut().into_iter().flatten()) {
        let unit = catalogue.unit(&entry.id);
        row["anchor"] = json!(anchor(&entry.id));
        row["status_words"] = json!(status_words(entry.status));
        row["point"] = json!(entry.legal_ref.replace("Annex IV, point ", ""));
        row["fit"] = json!(unit.map_or("", |unit| unit.fit.as_str()));
        row["fit_best"] = json!(unit.map_or("", |unit| unit.fit_best.as_str()));
        row["facets"] = entry
            .facets
            .iter()
            .map(|answer| {
                let mut value = serde_json::to_value(answer).expect("a facet is JSON");
                let Value::Object(more) = facet(answer) else { return value };
                value.as_object_mut().expect("a facet is an object").extend(more);
                value
            })
            .collect();
    }
    let open: Vec<Value> = super::check::todo(annex)
        .iter()
        .map(|todo| {
            let items: Vec<Value> = todo
                .items
                .iter()
                .map(|(facet, field)| json!({ "facet": facet, "anchor": anchor(facet), "field": field }))
                .collect();
            json!({ "owner": catalogue.role(todo.owner), "items": items })
        })
        .collect();
    page["open"] = Value::Array(open);
    page["texts"] = serde_json::to_value(&catalogue.texts).expect("texts are JSON");
    page["source"] = serde_json::to_value(&catalogue.source).expect("the law is JSON");
    page["dates"] = serde_json::to_value(&catalogue.dates).expect("dates are JSON");
    page["standards"] = serde_json::to_value(&catalogue.standards).expect("standards are JSON");
    let mut legend = Vec::new();
    for status in
        [Status::Evidenced, Status::Partial, Status::Declared, Status::Missing, Status::NotApplicable]
    {
        let count = page["counts"][status.name()].clone();
        legend.push(
            json!({ "words": status_words(status), "meaning": status_meaning(status), "count": count }),
        );
    }
    page["legend"] = Value::Array(legend);
    for (held, row) in annex.envelopes.iter().zip(page["envelopes"].as_array_mut().into_iter().flatten()) {
        row["standing_words"] = json!(standing_words(held.standing));
        for (limit, row) in held.rows.iter().zip(row["rows"].as_array_mut().into_iter().flatten()) {
            row["standing_words"] = json!(standing_words(limit.standing));
        }
    }
    page["files"] = files(annex)
        .iter()
        .map(|file| json!({ "path": file.path, "sha256": file.sha256, "produced_by": file.produced_by }))
        .collect();
    page["files_unnamed"] = json!(folded.unnamed);
    visible(&mut page);
    Template::from(Serde(page))
}

/// Every file that the answer names, once.
fn files(annex: &Annex) -> Vec<&Evidence> {
    let mut files: Vec<&Evidence> = annex.facets().flat_map(|facet| &facet.evidence).collect();
    files.sort();
    files.dedup_by(|one, other| one.path == other.path && one.sha256 == other.sha256);
    files
}

fn claim(evidence: &Evidence) -> Value {
    json!({
        "kind": word(evidence.kind),
        "produced_by": evidence.produced_by,
        "stated": evidence.assurance == Assurance::Stated,
        "mark": mark(evidence),
    })
}

/// What ends every line that claims something: `[path · first 12 digits · assurance]`.
fn mark(evidence: &Evidence) -> Value {
    let sha256 = evidence.sha256.to_string();
    json!({ "path": evidence.path, "sha256": &sha256[..12], "assurance": word(evidence.assurance) })
}

fn word(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).expect("a word is JSON");
    value.as_str().unwrap_or_default().replace('_', " ")
}

fn anchor(id: &str) -> String {
    id.replace(['.', '#', '_'], "-").to_lowercase()
}

const fn source_words(source: Source) -> &'static str {
    match source {
        Source::Machine => "the pack",
        Source::Mixed => "the pack and the provider",
        Source::Human => "the provider",
        Source::HumanSignature => "the signature of a responsible person",
    }
}

const fn standing_words(standing: Standing) -> &'static str {
    match standing {
        Standing::Inside => "inside",
        Standing::NotShown => "not shown to be inside",
        Standing::Outside => "outside",
    }
}

const fn status_words(status: Status) -> &'static str {
    match status {
        Status::Missing => "missing",
        Status::NotApplicable => "not applicable",
        Status::Partial => "partial",
        Status::Declared => "declared",
        Status::Evidenced => "evidenced",
    }
}

const fn status_meaning(status: Status) -> &'static str {
    match status {
        Status::Evidenced => {
            "every clause that applies has a checked record, or a file signed off by a listed person"
        }
        Status::Partial => "a part is there, the rest is open or only declared",
        Status::Declared => "the provider's text or file, not checked",
        Status::Missing => "nothing is there that counts",
        Status::NotApplicable => "said so by the provider, with reason, person and date",
    }
}

/// Shows what would not be seen: control characters, and marks that turn the direction of writing or have no width.
fn visible(value: &mut Value) {
    match value {
        Value::String(text) => {
            let hidden = |letter: char| {
                (letter.is_control() && letter != '\n')
                    || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
            };
            // A line end of another system is a line end.
            let unified = text.replace("\r\n", "\n");
            let mut shown = String::with_capacity(unified.len());
            for letter in unified.chars() {
                match letter {
                    '\t' => shown.push(' '),
                    letter if hidden(letter) => {
                        let _ = write!(shown, "\u{27e8}U+{:04X}\u{27e9}", u32::from(letter));
                    }
                    letter => shown.push(letter),
                }
            }
            *text = shown;
        }
        Value::Array(values) => values.iter_mut().for_each(visible),
        Value::Object(members) => members.values_mut().for_each(visible),
        _ => {}
    }
}

/// Text that marks nothing up in Markdown: one line, with a backslash before everything that could.
fn inert(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text.trim().chars().peekable();
    let mut word = String::new();
    let mut last: Option<char> = None;
    while let Some(letter) = rest.next() {
        match letter {
            '\n' => {
                while rest.next_if(|next| next.is_whitespace()).is_some() {}
                told.push(' ');
            }
            // Within a word these mark nothing up, and ids stay readable.
            '_' if last.is_some_and(char::is_alphanumeric)
                && rest.peek().is_some_and(|next| next.is_alphanumeric()) =>
            {
                told.push(letter);
            }
            '#' if last.is_some_and(|last| !last.is_whitespace()) => told.push(letter),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '$'
            | '!' | '@' | '^' => {
                told.push('\\');
                told.push(letter);
            }
            // What some readers turn into links by themselves.
            ':' if rest.peek() == Some(&'/') => told.push_str("\\:"),
            '.' if word.eq_ignore_ascii_case("www") => told.push_str("\\."),
            // A list or a heading, where it begins a line.
            '-' | '+' | '=' if told.is_empty() => {
                told.push('\\');
                told.push(letter);
            }
            '.' | ')'
                if !told.is_empty()
                    && told.chars().all(|before| before.is_ascii_digit())
                    && rest.peek().is_none_or(|next| next.is_whitespace()) =>
            {
                told.push('\\');
                told.push(letter);
            }
            letter => told.push(letter),
        }
        last = Some(letter);
        if letter.is_alphanumeric() { word.push(letter) } else { word.clear() }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_text_marks_nothing_up() {
        for (text, told) in [
            ("a|b`c`", "a\\|b\\`c\\`"),
            ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
            ("one\n\n# two\n- three", "one \\# two - three"),
            ("- list", "\\- list"),
            ("1. list", "1\\. list"),
            ("[x](javascript:y)", "\\[x\\](javascript:y)"),
            (
                "http://a.example www.b.example c@d.example",
                "http\\://a.example www\\.b.example c\\@d.example",
            ),
            ("&lt;", "\\&lt;"),
            ("-->", "\\--\\>"),
            ("IV.2.g#test_logs _x_ a __b__ # c", "IV.2.g#test_logs \\_x\\_ a \\_\\_b\\_\\_ \\# c"),
        ] {
            assert_eq!(inert(text), told);
        }
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        let mut value = json!({ "a": ["x\u{202e}y\u{0}z\u{200b}\t!\r\n."] });
        visible(&mut value);
        assert_eq!(
            value["a"][0],
            "x\u{27e8}U+202E\u{27e9}y\u{27e8}U+0000\u{27e9}z\u{27e8}U+200B\u{27e9} !\n."
        );
    }
}

//! `annex`: what a pack shows of Annex IV, what people say, what is open.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use bp::annex::check::{self, Todo};
use bp::annex::model::{Facet, Status};
use bp::annex::render::{HTML_TEMPLATE, MARKDOWN_TEMPLATE, Renderer, Templates};
use bp::annex::{self, ANNEX_JSON, catalogue, provider};
use bp::error::{self, Failure};
use bp::pack::MANIFEST;
use bp::report::{Long, fold};
use serde_json::{Value, json};

use crate::cli::{Annex, AnnexCheck, AnnexRender, MinStatus};
use crate::output::Output;
use crate::pack::{papers, verify};
use crate::{Run, source};

/// What a reader of a file alone has to know.
const NOT_VERIFIED: &str = "read, not verified: `bp pack verify` derives it again from its pack";

pub(crate) fn annex(command: &Annex, output: &Output) -> Run {
    match command {
        Annex::Init { out } => init(out.as_deref(), output),
        Annex::Todo { file } => todo(file, output),
        Annex::Check(arguments) => self::check(arguments, output),
        Annex::Render(arguments) => self::render(arguments, output),
    }
}

fn init(out: Option<&Path>, output: &Output) -> Run {
    let text = provider::template();
    let Some(path) = out else {
        output.data(text.as_bytes())?;
        return Ok(0);
    };
    bp::persist::create(path, text.as_bytes(), 0o644).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::new(&error::FILE_EXISTS, format!("{} exists", path.display()))
        }
        _ => source::failure(path, &error),
    })?;
    output.say(&format!("wrote {}", path.display()));
    Ok(0)
}

/// An answer, and what it was read from.
struct Answer {
    annex: annex::Annex,
    /// By which the pack that it is derived from is rendered.
    templates: Templates<'static>,
    /// Whether it was derived again from a pack.
    derived: bool,
}

impl Answer {
    /// What a reader has to know of it.
    fn told(&self) -> String {
        if !self.derived {
            return NOT_VERIFIED.to_owned();
        }
        let counting = self.annex.signoffs.iter().filter(|row| row.refused.is_none()).count();
        format!(
            "derived again from the pack, whose own pages are the same but for sign-offs; {counting} sign-offs count"
        )
    }
}

/// The answer of a pack, derived again, or that of a file as it is.
fn read(file: &Path) -> Result<Answer, Failure> {
    if file.join(MANIFEST).exists() {
        let answered = verify::answered(file)?;
        let templates = answered.templates().clone();
        return Ok(Answer { annex: answered.annex(), templates, derived: true });
    }
    let path = if file.is_dir() { file.join(ANNEX_JSON) } else { PathBuf::from(file) };
    let bytes = source::bytes(&path)?;
    let unreadable = |error: &dyn std::error::Error| {
        let failure = Failure::of(&error::ANNEX_UNREADABLE, error);
        Failure { message: format!("{}: {}", path.display(), failure.message), ..failure }
    };
    let annex = check::read(&bytes, catalogue()).map_err(|error| unreadable(&error))?;
    Ok(Answer { annex, templates: Templates::default(), derived: false })
}

fn todo(file: &Path, output: &Output) -> Run {
    let answer = read(file)?;
    let todos = check::todo(&answer.annex);
    if output.json {
        let rows: Vec<Value> = todos.iter().map(todo_json).collect();
        output.envelope(&json!({ "ok": true, "verified": answer.derived, "open": rows }))?;
        return Ok(0);
    }
    let mut text = String::new();
    for todo in &todos {
        let _ = writeln!(text, "{}", catalogue().role(todo.owner));
        for (facet, field) in &todo.items {
            text.push_str(&fold(&format!("  {facet}: "), field, Long::Keep));
        }
    }
    if todos.is_empty() {
        text.push_str("nothing is open\n");
    }
    output.data(text.as_bytes())?;
    output.say(&fold("", &answer.told(), Long::Keep));
    Ok(0)
}

fn todo_json(todo: &Todo<'_>) -> Value {
    let items: Vec<Value> =
        todo.items.iter().map(|(facet, field)| json!({ "facet": facet, "field": field })).collect();
    json!({ "owner": todo.owner, "items": items })
}

fn check(arguments: &AnnexCheck, output: &Output) -> Run {
    let answer = read(&arguments.file)?;
    let annex = &answer.annex;
    let required: Vec<&str> = arguments.require.iter().map(|point| point.trim()).collect();
    let min = match arguments.min {
        MinStatus::Partial => Status::Partial,
        MinStatus::Declared => Status::Declared,
        MinStatus::Evidenced => Status::Evidenced,
    };
    let below = check::check(annex, catalogue(), &required, min).map_err(|error| {
        Failure::of(&error::INVALID_FLAG, &error).hint("name a point like 2.g, 6 or 2.g#test_logs")
    })?;
    if output.json {
        let rows: Vec<Value> =
            below.iter().map(|facet| json!({ "facet": facet.id, "status": facet.status })).collect();
        let ok = below.is_empty();
        output.envelope(&json!({
            "ok": ok, "verified": answer.derived, "required": required, "min": min, "below": rows, "counts": annex.counts,
        }))?;
    } else {
        output.say(&told(&answer, &below, &required, min));
    }
    Ok(u8::from(!below.is_empty()))
}

fn told(answer: &Answer, below: &[&Facet], required: &[&str], min: Status) -> String {
    let mut text = String::new();
    for entry in &answer.annex.entries {
        text.push_str(&fold(
            &format!("{:<8} {:<15} ", entry.id, entry.status.name()),
            &entry.status_reason,
            Long::Keep,
        ));
    }
    text.push('\n');
    for facet in below {
        let head = format!("below {min}: ");
        text.push_str(&fold(&head, &format!("{} is {}", facet.id, facet.status), Long::Keep));
    }
    if required.is_empty() {
        text.push_str("nothing was required: this is a report\n");
    } else if below.is_empty() {
        let message = format!("{}: every clause that applies is {min} or better", required.join(", "));
        text.push_str(&fold("", &message, Long::Keep));
    }
    text.push_str(&fold("", &answer.told(), Long::Keep));
    text
}

fn render(arguments: &AnnexRender, output: &Output) -> Run {
    let answer = read(&arguments.file)?;
    let given = arguments.templates.as_deref().map(papers::templates).transpose()?;
    let named = |name: &str| {
        let texts = given.iter().flatten();
        texts.clone().find(|(own, _)| *own == name).map(|(_, text)| text.as_str())
    };
    let templates = match given {
        Some(_) => Templates::of(named(MARKDOWN_TEMPLATE), named(HTML_TEMPLATE)),
        None => answer.templates.clone(),
    };
    let renderer = Renderer::new(&answer.annex, catalogue());
    let text = if arguments.html { renderer.html(&templates) } else { renderer.markdown(&templates) };
    let text = text.map_err(|error| Failure::of(&error::TEMPLATE_ERROR, &error))?;
    output.file_or_data(arguments.out.as_deref(), text.as_bytes())?;
    output.say(&fold("", &answer.told(), Long::Keep));
    Ok(0)
}

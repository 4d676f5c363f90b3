//! `annex`: what a pack shows of Annex IV, what people say, what is open.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use bp::annex::check::{self, Todo};
use bp::annex::model::{Facet, Status};
use bp::annex::render::{self, HTML_TEMPLATE, MARKDOWN_TEMPLATE, Templates};
use bp::annex::{self, ANNEX_JSON, catalogue, provider};
use bp::error::{self, Failure};
use bp::report::{Long, fold};
use serde_json::{Value, json};

use crate::cli::{Annex, AnnexCheck, AnnexRender, MinStatus};
use crate::output::Output;
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

/// The answer of a pack, or of a file.
fn read(file: &Path) -> Result<annex::Annex, Failure> {
    let path = if file.is_dir() { file.join(ANNEX_JSON) } else { PathBuf::from(file) };
    let bytes = source::bytes(&path)?;
    let unreadable = |error: &dyn std::error::Error| {
        let failure = Failure::of(&error::ANNEX_UNREADABLE, error);
        Failure { message: format!("{}: {}", path.display(), failure.message), ..failure }
    };
    check::read(&bytes, catalogue()).map_err(|error| unreadable(&error))
}

fn todo(file: &Path, output: &Output) -> Run {
    let annex = read(file)?;
    let todos = check::todo(&annex);
    if output.json {
        let rows: Vec<Value> = todos.iter().map(todo_json).collect();
        output.envelope(&json!({ "ok": true, "verified": false, "open": rows }))?;
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
    output.say(NOT_VERIFIED);
    Ok(0)
}

fn todo_json(todo: &Todo<'_>) -> Value {
    let items: Vec<Value> =
        todo.items.iter().map(|(facet, field)| json!({ "facet": facet, "field": field })).collect();
    json!({ "owner": todo.owner, "items": items })
}

fn check(arguments: &AnnexCheck, output: &Output) -> Run {
    let annex = read(&arguments.file)?;
    let required: Vec<&str> = arguments.require.iter().map(|point| point.trim()).collect();
    let min = match arguments.min {
        MinStatus::Partial => Status::Partial,
        MinStatus::Declared => Status::Declared,
        MinStatus::Evidenced => Status::Evidenced,
    };
    let below = check::check(&annex, catalogue(), &required, min).map_err(|error| {
        Failure::of(&error::INVALID_FLAG, &error).hint("name a point like 2.g, 6 or 2.g#test_logs")
    })?;
    if output.json {
        let rows: Vec<Value> =
            below.iter().map(|facet| json!({ "facet": facet.id, "status": facet.status })).collect();
        let ok = below.is_empty();
        output.envelope(&json!({
            "ok": ok, "verified": false, "required": required, "min": min, "below": rows, "counts": annex.counts,
        }))?;
    } else {
        output.say(&told(&annex, &below, &required, min));
    }
    Ok(u8::from(!below.is_empty()))
}

fn told(annex: &annex::Annex, below: &[&Facet], required: &[&str], min: Status) -> String {
    let mut text = String::new();
    for entry in &annex.entries {
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
    text.push_str(NOT_VERIFIED);
    text
}

fn render(arguments: &AnnexRender, output: &Output) -> Run {
    let annex = read(&arguments.file)?;
    let template = |name: &str| -> Result<Option<String>, Failure> {
        let Some(folder) = &arguments.templates else { return Ok(None) };
        let path = folder.join(name);
        if !path.exists() {
            return Ok(None);
        }
        String::from_utf8(source::bytes(&path)?)
            .map(Some)
            .map_err(|_| Failure::new(&error::TEMPLATE_ERROR, format!("{}: not UTF-8", path.display())))
    };
    let (markdown, html) = (template(MARKDOWN_TEMPLATE)?, template(HTML_TEMPLATE)?);
    if let Some(folder) = arguments.templates.as_ref().filter(|_| markdown.is_none() && html.is_none()) {
        let message = format!("{} holds neither {MARKDOWN_TEMPLATE} nor {HTML_TEMPLATE}", folder.display());
        return Err(Failure::new(&error::TEMPLATE_ERROR, message));
    }
    let templates = Templates::of(markdown.as_deref(), html.as_deref());
    let rendered = if arguments.html { render::html } else { render::markdown };
    let text = rendered(&annex, catalogue(), &templates)
        .map_err(|error| Failure::of(&error::TEMPLATE_ERROR, &error))?;
    output.file_or_data(arguments.out.as_deref(), text.as_bytes())?;
    output.say(NOT_VERIFIED);
    Ok(0)
}

//! What people put beside the evidence: the provider's file, and the files that it names beside it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use bp::annex::provider::{self, MAX_BYTES, stored_at};
use bp::annex::render::{HTML_TEMPLATE, MARKDOWN_TEMPLATE};
use bp::error::{self, Failure};
use bp::handle;
use bp::handle::At;
use bp::pack::build::GivenPaper;
use bp::pack::{PARENT, PackPath, TEMPLATES};
use bp::run::secrets::{Secret, scan};
use bp::tensor::Bytes as _;
use cap_std::fs::Dir;

use super::{secrets, verify};
use crate::cli::PackRun;
use crate::output::Output;
use crate::source;

/// Up to so much an attachment is held; a longer one is copied.
const HELD_BYTES: u64 = 8 << 20;
/// An attachment is no longer than this: an archive could not hold it.
const MAX_ATTACHMENT_BYTES: u64 = 8 << 30;
/// What is looked at in one go for secrets, and how much of it again with what follows: no token is longer.
const WINDOW: usize = 1 << 20;
const OVERLAP: usize = 1 << 14;

/// Everything that goes under `annex/` as it is, by its path in the pack.
pub(super) fn given(arguments: &PackRun, output: &Output) -> Result<BTreeMap<PackPath, GivenPaper>, Failure> {
    let mut files = match &arguments.provider {
        Some(file) => provided(file, output)?,
        None => BTreeMap::new(),
    };
    if let Some(folder) = &arguments.templates {
        for (name, text) in templates(folder)? {
            secrets::none_in(name, text.as_bytes())?;
            files.insert(place(&format!("{TEMPLATES}/{name}"))?, GivenPaper::Held(text.into_bytes()));
        }
    }
    if let Some(pack) = &arguments.parent {
        files.insert(place(PARENT)?, GivenPaper::Held(parent(pack)?));
    }
    Ok(files)
}

/// The templates in a folder, at least one.
pub(crate) fn templates(folder: &Path) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut templates = Vec::new();
    for name in [MARKDOWN_TEMPLATE, HTML_TEMPLATE] {
        let path = folder.join(name);
        if path.exists() {
            let text = String::from_utf8(source::bytes(&path)?);
            let refused = |_| Failure::new(&error::TEMPLATE_ERROR, format!("{}: not UTF-8", path.display()));
            templates.push((name, text.map_err(refused)?));
        }
    }
    if templates.is_empty() {
        let message = format!("{} holds neither {MARKDOWN_TEMPLATE} nor {HTML_TEMPLATE}", folder.display());
        return Err(Failure::new(&error::TEMPLATE_ERROR, message));
    }
    Ok(templates)
}

/// What is kept of the pack before, once it holds.
fn parent(pack: &Path) -> Result<Vec<u8>, Failure> {
    let answered = verify::answered(pack)?;
    let parent = answered.parent().expect("a pack that was checked has its digest");
    Ok(bp::json::canonical(&parent))
}

/// The provider's file and what it names.
fn provided(file: &Path, output: &Output) -> Result<BTreeMap<PackPath, GivenPaper>, Failure> {
    let bytes = source::whole(file)?;
    let refused =
        |message: String| Failure::new(&error::PROVIDER_ERROR, format!("{}: {message}", file.display()));
    if bytes.len() > MAX_BYTES {
        return Err(refused(format!("more than {MAX_BYTES} bytes")));
    }
    let provider = provider::parse(&bytes).map_err(|error| refused(error.to_string()))?;
    for warning in provider.warnings() {
        output.mark("[WARN]", &format!("{}: {}", warning.at, warning.message));
    }
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    secrets::none_in(&name, &bytes)?;
    let folder = bp::persist::parent_of(file);
    let dir = bp::handle::root(folder).map_err(|error| source::failure(folder, &error))?;
    let mut files = BTreeMap::new();
    for (name, _) in provider.attachments() {
        let (given, found) =
            attachment(&dir, &name).map_err(|reason| refused(format!("{name}: {reason}")))?;
        secrets::none(found.into_iter().map(|secret| (name.as_str(), secret)))?;
        files.insert(place(&stored_at(&name))?, given);
    }
    files.insert(place(provider.syntax().stored_at())?, GivenPaper::Held(bytes));
    Ok(files)
}

/// A file that the provider names, and the secrets in it. Nothing above the provider's folder is reached, and no link is
/// followed.
fn attachment(dir: &Dir, name: &PackPath) -> Result<(GivenPaper, Vec<Secret>), String> {
    let (mut file, metadata) = handle::open(dir, name.as_str()).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    if metadata.len() > MAX_ATTACHMENT_BYTES {
        return Err(format!("more than {MAX_ATTACHMENT_BYTES} bytes"));
    }
    if metadata.len() > HELD_BYTES {
        let file = At::new(file.into_std()).map_err(|error| error.to_string())?;
        let secrets = searched(&file).map_err(|error| error.to_string())?;
        return Ok((GivenPaper::File(file), secrets));
    }
    let mut bytes = Vec::new();
    handle::drain(&mut file, metadata.len(), |chunk| bytes.extend_from_slice(chunk))
        .map_err(|error| error.to_string())?;
    let secrets = if is_text(&bytes) { scan(&bytes) } else { Vec::new() };
    Ok((GivenPaper::Held(bytes), secrets))
}

/// Whether secrets are looked for in what begins so. In bytes that no text has, anything is found by chance.
fn is_text(bytes: &[u8]) -> bool {
    !bytes[..bytes.len().min(WINDOW)].contains(&0)
}

/// The secrets in a long text, window by window.
fn searched(file: &At) -> io::Result<Vec<Secret>> {
    let (size_bytes, mut begin, mut lines) = (file.size_bytes(), 0, 0);
    let mut found = Vec::new();
    let mut window = vec![0; WINDOW];
    while begin < size_bytes {
        let count = usize::try_from(size_bytes - begin).unwrap_or(WINDOW).min(WINDOW);
        let window = &mut window[..count];
        file.read_at(begin, window)?;
        if begin == 0 && !is_text(window) {
            break;
        }
        let last = begin + count as u64 == size_bytes;
        let step = if last { count } else { count - OVERLAP };
        let here = scan(window).into_iter().filter(|secret| secret.range.start < step);
        found.extend(here.map(|secret| Secret { line: secret.line + lines, ..secret }));
        lines += window[..step].split(|byte| *byte == b'\n').count() - 1;
        begin += step as u64;
    }
    Ok(found)
}

fn place(path: &str) -> Result<PackPath, Failure> {
    path.parse().map_err(|error| Failure::new(&error::PROVIDER_ERROR, format!("{path}: {error}")))
}

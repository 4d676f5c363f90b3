//! `pack run`: judge, then write one sealed folder.

use std::path::Path;

use bp::error::{self, Failure};
use bp::pack::build::{BuildError, Pack};
use bp::pack::manifest::Subject;
use bp::pack::plan::{Input, Terms};
use bp::report::Outcome;
use bp::trust::key::SigningKey;
use serde_json::json;

use super::{inputs, judge, producer};
use crate::cli::PackRun;
use crate::output::Output;
use crate::{Run, clock, source, trust};

pub(super) fn run(arguments: &PackRun, output: &Output) -> Run {
    let (created_at, created_at_source) = clock::moment(arguments.created_at.as_deref())?;
    let inputs = inputs::read(&arguments.inputs)?;
    let (key, said) = if arguments.unsigned {
        (None, None)
    } else {
        let (key, said) = trust::signing_key(arguments.key.as_deref(), &created_at)?;
        (Some(key), said)
    };
    if let Some(said) = said {
        output.say(&said);
        output.say("");
    }
    let first = first_name(&inputs);
    let terms = Terms {
        created_at,
        created_at_source,
        producer: producer(),
        judge: judge(),
        subject: Subject { run_id: None, run_name: None, artifacts: Vec::new() },
        parent_manifest_sha256: None,
    };
    let pack = Pack::of(inputs, &terms, key.as_ref());
    let name = arguments.name.clone().unwrap_or_else(|| {
        let time: String = created_at.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{first}-{time}-{}", &pack.pack_id.to_string()[..8])
    });
    let path = pack.write(&arguments.out, &name).map_err(|error| failure(&error))?;
    tell(&pack, &path, key.as_ref(), output)?;
    Ok(u8::from(pack.verdict != Outcome::Pass))
}

/// The first input's name without its extension, as far as it is plain.
fn first_name(inputs: &[Input]) -> String {
    let name = inputs.first().map_or("empty", |input| input.name.as_str());
    let stem = name.split('.').next().unwrap_or(name);
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' };
    let name: String = stem.chars().map(plain).take(60).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "pack".to_owned() } else { name.to_owned() }
}

fn failure(error: &BuildError) -> Failure {
    let code = match error {
        BuildError::Exists { .. } => &error::PACK_EXISTS,
        BuildError::Name { .. } => &error::INVALID_FLAG,
        BuildError::Io { .. } => &error::PACK_NOT_WRITTEN,
    };
    Failure::of(code, error)
}

fn tell(pack: &Pack, path: &Path, key: Option<&SigningKey>, output: &Output) -> Result<(), Failure> {
    let key_id = key.map(|key| key.id().to_string());
    if output.json {
        return output.envelope(&json!({
            "ok": pack.verdict == Outcome::Pass,
            "verdict": pack.verdict,
            "pack": source::shown(path),
            "pack_id": pack.pack_id.to_string(),
            "manifest_sha256": pack.manifest_sha256,
            "key_id": key_id,
        }));
    }
    let sealed = key_id.map_or_else(|| "no seal".to_owned(), |id| format!("sealed by key {}...", &id[..16]));
    let meaning = match pack.verdict {
        Outcome::Pass => "every rule that applies holds for every input",
        Outcome::Insufficient => "nothing broke, but less was compared than a pass needs",
        Outcome::Fail => "an input is broken or cannot be judged; the pack is evidence of that",
    };
    output.say(&format!(
        "{}: {meaning}\n\n  pack     {}\n  seal     {sealed}\n  check it with\n    bp pack verify --strict {}",
        pack.verdict.name(),
        path.display(),
        path.display()
    ));
    output.data(format!("{}\n", path.display()).as_bytes())
}

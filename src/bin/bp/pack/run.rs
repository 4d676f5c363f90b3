//! `pack run`: judge, then write one sealed folder.

use std::path::Path;

use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::pack::build::{self, BuildError, Pack, Stage};
use bp::pack::manifest::Subject;
use bp::pack::plan::{Evidence, Terms};
use bp::report::Outcome;
use bp::trust::key::SigningKey;
use rayon::prelude::*;
use serde_json::json;

use super::inputs::{self, Input};
use super::{judge, producer};
use crate::cli::PackRun;
use crate::output::Output;
use crate::{Run, clock, source, trust};

pub(super) fn run(arguments: &PackRun, output: &Output) -> Run {
    let (created_at, created_at_source) = clock::moment(arguments.created_at.as_deref())?;
    let inputs = inputs::find(&arguments.inputs)?;
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
    if let Some(name) = &arguments.name {
        build::free(&arguments.out, name).map_err(|error| failure(&error))?;
    }
    let stage = Stage::open(&arguments.out).map_err(|error| failure(&error))?;
    let take = |input: &Input| {
        let (kind, bytes) = input.read()?;
        stage.take(input.stem.clone(), kind, &bytes, &terms).map_err(|error| failure(&error))
    };
    let mut evidence = Evidence::default();
    for assessed in inputs.par_iter().map(take).collect::<Result<Vec<_>, _>>()? {
        evidence.add(assessed);
    }
    let pack = stage.seal(evidence, &terms, key.as_ref()).map_err(|error| failure(&error))?;
    let name = arguments.name.clone().unwrap_or_else(|| {
        let time: String = created_at.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{first}-{time}-{}", &pack.pack_id.to_string()[..8])
    });
    let facts = Facts::of(&pack);
    let path = pack.publish(&name).map_err(|error| failure(&error))?;
    facts.tell(&path, key.as_ref(), output)?;
    Ok(u8::from(facts.verdict != Outcome::Pass))
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

/// What is told of a pack once it has its name.
struct Facts {
    pack_id: String,
    manifest_sha256: Digest,
    verdict: Outcome,
}

impl Facts {
    fn of(pack: &Pack) -> Self {
        let Pack { pack_id, manifest_sha256, verdict, .. } = pack;
        Self { pack_id: pack_id.to_string(), manifest_sha256: *manifest_sha256, verdict: verdict.verdict }
    }

    fn tell(&self, path: &Path, key: Option<&SigningKey>, output: &Output) -> Result<(), Failure> {
        let key_id = key.map(|key| key.id().to_string());
        if output.json {
            return output.envelope(&json!({
                "ok": self.verdict == Outcome::Pass,
                "verdict": self.verdict,
                "pack": source::shown(path),
                "pack_id": self.pack_id,
                "manifest_sha256": self.manifest_sha256,
                "key_id": key_id,
            }));
        }
        let sealed =
            key_id.map_or_else(|| "no seal".to_owned(), |id| format!("sealed by key {}...", &id[..16]));
        let meaning = match self.verdict {
            Outcome::Pass => "every rule that applies holds for every input",
            Outcome::Insufficient => "nothing broke, but less was compared than a pass needs",
            Outcome::Fail => "an input is broken or cannot be judged; the pack is evidence of that",
        };
        output.say(&format!(
        "{}: {meaning}\n\n  pack     {}\n  seal     {sealed}\n  check it with\n    bp pack verify --strict {}",
        self.verdict.name(),
        path.display(),
        path.display()
    ));
        output.data(format!("{}\n", path.display()).as_bytes())
    }
}

//! What `pack run` is given: files, folders of records, or nothing.

use std::path::{Path, PathBuf};

use bp::error::{self, Failure};
use bp::handle::At;
use bp::pack::plan::{InputKind, Stem};
use bp::pack::suite::SuiteError;
use bp::pack::{Demand, Freeze, Selection, Suite};
use bp::trust::timestamp::{Token, TokenError};

use super::{bundled, secrets};
use crate::{source, timestamp};

/// A real step, recorded from a JAX training loop: what is packed when nothing is named.
const BUILT_IN: (&str, &[u8]) =
    ("built-in-jax-step.jsonl", include_bytes!("../../../../fixtures/good/jax-sgd-step.sidecar.jsonl"));

/// Where the bytes of an input come from.
#[derive(Debug, Clone)]
enum Origin {
    /// They are part of the program.
    BuiltIn(&'static [u8]),
    /// A file, or `-`.
    File(PathBuf),
}

/// An input that was named.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) stem: Stem,
    origin: Origin,
}

/// Every input that these arguments name, each with its stem, in an order that is not that of the arguments.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let mut found = Vec::new();
    if paths.is_empty() {
        found.push((BUILT_IN.0.to_owned(), Origin::BuiltIn(BUILT_IN.1)));
    }
    for path in paths {
        if !path.is_dir() {
            found.push((name_of(path), Origin::File(path.clone())));
            continue;
        }
        let files = records_in(path)?;
        if files.is_empty() {
            let message = format!("{}: no .json or .jsonl file in this folder", path.display());
            return Err(Failure::new(&error::BP_JSONL_EMPTY, message));
        }
        found.extend(files.into_iter().map(|file| (name_of(&file), Origin::File(file))));
    }
    found.sort_by(|(one, at), (other, there)| one.cmp(other).then_with(|| at.path().cmp(&there.path())));
    let stems = Stem::all(found.iter().map(|(name, _)| name.as_str()));
    Ok(found.into_iter().zip(stems).map(|((name, origin), stem)| Input { name, stem, origin }).collect())
}

/// A suite as it was named, and the inputs of the scenarios that were selected and are there.
pub(super) struct Demanded {
    pub(super) bytes: Vec<u8>,
    /// The bytes of its freeze, and of the token over that.
    pub(super) freeze: Option<(Vec<u8>, Option<Vec<u8>>)>,
    pub(super) demand: Demand,
    pub(super) inputs: Vec<Input>,
    /// Inputs that cannot be read, and why.
    pub(super) missing: Vec<(String, String)>,
}

/// Whether an argument names the suite in this program.
fn is_bundled(file: &Path) -> bool {
    file == Path::new("bundled")
}

/// The suite in a file, and what of it was selected.
pub(super) fn demanded(file: &Path, scenarios: Option<&[String]>, repeats: u32) -> Result<Demanded, Failure> {
    let bytes = if is_bundled(file) { bundled::SUITE.to_vec() } else { source::bytes(file)? };
    secrets::none_in(&source::shown(file), &bytes)?;
    let refused =
        |error: SuiteError| Failure::new(&error::SUITE_INVALID, format!("{}: {error}", file.display()));
    let suite = Suite::parse(&bytes).map_err(refused)?;
    let scenarios = scenarios.map(|ids| ids.iter().cloned().collect());
    let selection = Selection::of(&suite, scenarios, repeats).map_err(refused)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let (mut inputs, mut missing) = (Vec::new(), Vec::new());
    for (path, stem) in suite.selected(&selection) {
        let origin = if is_bundled(file) {
            bundled::input(path).map(Origin::BuiltIn).ok_or_else(|| "not in this program".to_owned())
        } else {
            let place = folder.join(path);
            At::path(&place).map(|_| Origin::File(place)).map_err(|error| error.to_string())
        };
        match origin {
            Ok(origin) => inputs.push(Input { name: path.to_owned(), stem, origin }),
            Err(reason) => missing.push((path.to_owned(), reason)),
        }
    }
    let demand = Demand { suite, selection, freeze: None };
    Ok(Demanded { bytes, freeze: None, demand, inputs, missing })
}

impl Demanded {
    /// With the freeze in a file.
    pub(super) fn frozen(mut self, file: Option<&Path>) -> Result<Self, Failure> {
        if let Some(file) = file {
            let bytes = source::bytes(file)?;
            secrets::none_in(&source::shown(file), &bytes)?;
            let freeze = Freeze::parse(&bytes).map_err(|error| {
                Failure::new(&error::SUITE_INVALID, format!("{}: no freeze: {error}", file.display()))
                    .hint("`bp pack suite freeze FILE` makes one")
            })?;
            let token = token(&timestamp::of_freeze(file), &freeze)?;
            let stored = token.as_ref().map(|token| token.to_bytes().to_vec());
            (self.demand.freeze, self.freeze) = (Some(freeze.stamped(token)), Some((bytes, stored)));
        }
        Ok(self)
    }
}

/// The token over a freeze, where one lies beside it.
fn token(file: &Path, freeze: &Freeze) -> Result<Option<Token>, Failure> {
    if file.symlink_metadata().is_err() {
        return Ok(None);
    }
    let refused = |error: TokenError| {
        Failure::new(&error::STATEMENT_ERROR, format!("{}: {error}", file.display()))
            .hint("take it away, or `bp timestamp attach` another")
    };
    let token = Token::parse(&source::bytes(file)?).map_err(refused)?;
    token.claim(&freeze.sha256()).map_err(refused)?;
    Ok(Some(token))
}

impl Origin {
    fn path(&self) -> Option<&Path> {
        match self {
            Self::BuiltIn(_) => None,
            Self::File(path) => Some(path),
        }
    }
}

impl Input {
    /// What it is, and its bytes: a file is read once.
    pub(super) fn read(&self) -> Result<(InputKind, Vec<u8>), Failure> {
        let bytes = match &self.origin {
            Origin::BuiltIn(bytes) => bytes.to_vec(),
            Origin::File(path) => source::whole(path)?,
        };
        Ok((InputKind::of(&bytes), bytes))
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().map_or_else(|| "stdin".into(), |name| name.to_string_lossy());
    if name == "-" { "stdin".to_owned() } else { name.into_owned() }
}

/// The record files of a folder, sorted by name; folders within it are not entered.
fn records_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in bp::persist::entries(folder).map_err(|error| source::failure(folder, &error))? {
        let path = entry.map_err(|error| source::failure(folder, &error))?.path();
        let is_record = path.extension().is_some_and(|extension| extension == "json" || extension == "jsonl");
        if is_record && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

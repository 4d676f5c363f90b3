//! `signoff`: persons sign a pack off, and who signed what is shown.

use std::path::Path;

use bp::annex::{catalogue, check};
use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::pack::layout::Added;
use bp::pack::signoff::{self, Attached, Person, Report, Words, is_id};
use bp::pack::{MANIFEST, Unsealed, VerifyResult, text};
use serde_json::json;

use crate::attest::{checked, other_than_sealer, put, tell};
use crate::cli::{Signoff, SignoffAdd, Trusting};
use crate::failure::Coded;
use crate::output::Output;
use crate::{Run, clock, source, trust, trusting};

/// What is signed for, where it is there and nothing else is named.
const REPORTS: [&str; 3] = ["annex/annex-iv.json", "report.html", "results/final_verdict.json"];
/// The longest file that can be attached.
const MAX_ATTACHED_BYTES: usize = 32 << 20;

pub(crate) fn signoff(command: Signoff, output: &Output) -> Run {
    match command {
        Signoff::Add(arguments) => add(&arguments, output),
        Signoff::List { pack, trusting } => list(&pack, &trusting, output),
    }
}

fn add(arguments: &SignoffAdd, output: &Output) -> Run {
    if !is_id(&arguments.person) {
        let message =
            format!("--person {:?}: lower-case letters, digits and dashes, up to 64", arguments.person);
        return Err(Failure::new(&error::INVALID_FLAG, message));
    }
    for point in &arguments.scope {
        check::exact(catalogue(), point)
            .map_err(|error| Failure::new(&error::INVALID_FLAG, format!("--scope {error}")))?;
    }
    let key = trust::load(&arguments.key)?;
    let result = checked(&arguments.pack, &trusting::options(&Trusting::default())?)?;
    other_than_sealer(&result, &key)?;
    if result.exit_code() != 0 {
        output.say(&text::render(&result));
        output.say("Nothing was signed: the pack is not what was sealed.");
        if output.json {
            output.envelope(&result)?;
        }
        return Ok(result.exit_code());
    }
    let manifest = manifest(&arguments.pack, &result)?;
    let mut reports = Vec::new();
    for artifact in &manifest.claim().artifacts {
        let path = artifact.path.as_str();
        let wanted = if arguments.report.is_empty() {
            REPORTS.contains(&path)
        } else {
            arguments.report.iter().any(|report| report == path)
        };
        if wanted {
            reports.push(Report { path: path.to_owned(), sha256: artifact.sha256 });
        }
    }
    if let Some(lost) =
        arguments.report.iter().find(|path| !reports.iter().any(|report| report.path == **path))
    {
        return Err(Failure::new(&error::ENOENT, format!("{lost:?} is no sealed file of the pack")));
    }
    let mut attached = Vec::new();
    for file in &arguments.attach {
        attached.push(attach(file)?);
    }
    let (signed_at, _) = clock::moment(arguments.signed_at.as_deref())?;
    let words = Words {
        person: Person {
            id: arguments.person.clone(),
            name: arguments.name.clone(),
            function: arguments.function.clone(),
            organisation: arguments.organisation.clone(),
            on_behalf_of: arguments.on_behalf_of.clone(),
            developer_of_run: arguments.developer_of_run,
        },
        act: arguments.act.into(),
        scope: arguments.scope.clone(),
        statement: arguments.statement.clone(),
        limits_acknowledged: arguments.limits_acknowledged,
        place: arguments.place.clone(),
        signed_at,
        attached: attached.iter().map(|(file, _)| file.clone()).collect(),
    };
    let act = words.act.name();
    let envelope = signoff::sign(words, &manifest.digest(), &reports, &key).map_err(Coded::failure)?;
    let bytes = envelope.to_bytes();
    let short = &Digest::of(&bytes).to_string()[..12];
    let path = Added::SignOff
        .envelope(&format!("{}-{act}-{short}", arguments.person))
        .expect("the id of a person, a word and digits make a name");
    for (file, bytes) in &attached {
        let path = Added::file(&file.sha256);
        if !arguments.pack.join(path.as_str()).exists() {
            put(&arguments.pack, &path, bytes)?;
        }
    }
    let target = put(&arguments.pack, &path, &bytes)?;
    tell(output, &target, &key.id())
}

/// The manifest that was checked.
fn manifest(pack: &Path, result: &VerifyResult) -> Result<Unsealed, Failure> {
    let path = pack.join(MANIFEST);
    let changed =
        || Failure::new(&error::PACK_UNREADABLE, format!("{}: changed while it was checked", path.display()));
    let bytes = source::of_pack(pack, MANIFEST)?;
    let checked = result.manifest_sha256 == Some(Digest::of(&bytes));
    Unsealed::parse(bytes).ok().filter(|_| checked).ok_or_else(changed)
}

fn attach(file: &Path) -> Result<(Attached, Vec<u8>), Failure> {
    let bytes = source::whole(file)?;
    if bytes.len() > MAX_ATTACHED_BYTES {
        let message = format!("{}: more than {MAX_ATTACHED_BYTES} bytes", file.display());
        return Err(Failure::new(&error::INPUT_TOO_LARGE, message));
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let attached = Attached { name, sha256: Digest::of(&bytes), size_bytes: bytes.len() as u64 };
    Ok((attached, bytes))
}

fn list(pack: &Path, trusting: &Trusting, output: &Output) -> Run {
    let result = checked(pack, &trusting::options(trusting)?)?;
    if output.json {
        output.envelope(&json!({
            "ok": result.ok,
            "seal": result.signer,
            "attestations": result.attestations,
            "sign_offs": result.sign_offs,
            "findings": result.findings,
        }))?;
    } else {
        output.say(&text::who_signed(&result));
    }
    Ok(result.exit_code())
}

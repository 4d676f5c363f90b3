//! `attest` and `receipt`: what a check came to, signed, beside the pack or away from it.

use std::path::{Path, PathBuf};

use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::pack::attestation::{self, Attested, TestResult};
use bp::pack::check::{self, Demands, Expected, Options, Pin};
use bp::pack::cosign::{self, CoSigned};
use bp::pack::layout::Added;
use bp::pack::{Moment, PackPath, VerifyResult, add, text};
use bp::report::{Long, fold};
use bp::trust::key::{KeyId, SigningKey};
use bp::trust::p256::CoSigningKey;
use bp::trust::{Envelope, Role, StatementError};
use serde_json::json;

use crate::cli::{self, Attest, ReceiptCheck};
use crate::failure::Coded;
use crate::output::Output;
use crate::{Run, clock, source, trust, trusting};

pub(crate) fn attest(arguments: &Attest, output: &Output) -> Run {
    if arguments.key.is_none() && arguments.p256.is_none() {
        return print(&arguments.pack, output);
    }
    let key = arguments.key.as_deref().map(trust::load).transpose()?;
    let co_key = arguments.p256.as_deref().map(trust::load_p256).transpose()?;
    let (at, _) = clock::moment(arguments.at.as_deref())?;
    let options = trusting::options(&arguments.trusting)?;
    let demands = Demands {
        verifier: key.as_ref().map(SigningKey::id),
        co_signers: co_key.iter().map(CoSigningKey::verifying_key).collect(),
        ..options.demands.clone()
    };
    let options = Options { strict: arguments.strict, demands, ..options };
    let result = checked(&arguments.pack, &options)?;
    if let Some(key) = &key {
        other_than_sealer(&result, key)?;
    }
    if result.exit_code() != 0 {
        output.say(&text::render(&result));
        output.say("Nothing was added. `bp pack verify --receipt` writes down a rejection.");
        if output.json {
            output.envelope(&result)?;
        }
        return Ok(result.exit_code());
    }
    if let (Some(key), Some(manifest)) = (&co_key, &result.manifest_sha256) {
        return co_sign(&arguments.pack, manifest, key, output);
    }
    let Some(key) = key else { return Ok(0) };
    let envelope = attestation::sign(&result, &options, &key, at).map_err(Coded::failure)?;
    let short = &key.id().to_string()[..12];
    let names = ["verification".to_owned(), format!("verification-{short}")];
    let free = names.iter().filter_map(|name| Added::Attestation.envelope(name));
    let path = free.into_iter().find(|path| !arguments.pack.join(path.as_str()).exists());
    let path =
        path.ok_or_else(|| Failure::new(&error::FILE_EXISTS, "this key has attested the pack already"))?;
    let target = put(&arguments.pack, &path, &envelope.to_bytes())?;
    tell(output, &target, &key.id())
}

/// Signs a manifest with a P-256 key, beside the seal.
fn co_sign(pack: &Path, manifest_sha256: &Digest, key: &CoSigningKey, output: &Output) -> Run {
    let envelope = cosign::sign(manifest_sha256, key).map_err(Coded::failure)?;
    let key_id = key.verifying_key().id();
    let path = Added::CoSignature.envelope(&key_id.to_string()[..12]).expect("digits make a name");
    let target = put(pack, &path, &envelope.to_bytes())?;
    tell(output, &target, &key_id)
}

/// Prints the statements that are in the pack.
fn print(pack: &Path, output: &Output) -> Run {
    let folder = pack.join("attestations");
    let entries = bp::persist::entries(&folder).map_err(|error| {
        source::failure(&folder, &error)
            .hint("nothing is attested yet: give --key to check the pack and sign that")
    })?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.sort();
    for file in files {
        let envelope = envelope(&file)?;
        let opened = match Attested::open(&envelope) {
            Err(StatementError::Predicate(_)) => CoSigned::open(&envelope).map(drop),
            other => other.map(drop),
        };
        opened.map_err(|error| unsound(&file, &error))?;
        let mut bytes = envelope.claim().to_vec();
        bytes.push(b'\n');
        output.data(&bytes)?;
    }
    Ok(0)
}

/// A statement whose signature holds under the key that it brings along.
fn attested(file: &Path) -> Result<Attested, Failure> {
    Attested::open(&envelope(file)?).map_err(|error| unsound(file, &error))
}

fn envelope(file: &Path) -> Result<Envelope, Failure> {
    Envelope::parse(&source::bytes(file)?).map_err(|error| unsound(file, &error))
}

fn unsound(file: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(&error::STATEMENT_ERROR, format!("{}: {error}", file.display()))
}

/// Checks a pack in a folder.
pub(crate) fn checked(pack: &Path, options: &Options) -> Result<VerifyResult, Failure> {
    check::directory(pack, options).map_err(|error| Failure::of(&error::PACK_UNREADABLE, &error))
}

/// Refuses the key that sealed the pack.
pub(crate) fn other_than_sealer(result: &VerifyResult, key: &SigningKey) -> Result<(), Failure> {
    if result.signer.key_id == Some(key.id()) {
        let message = format!("key {} sealed the pack", key.id());
        return Err(Failure::new(&error::SELF_SIGNED, message));
    }
    Ok(())
}

/// Adds a file to a pack.
pub(crate) fn put(pack: &Path, path: &PackPath, bytes: &[u8]) -> Result<PathBuf, Failure> {
    debug_assert!(Added::of(path).is_some());
    let target = pack.join(path.as_str());
    add::add(pack, path, bytes).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(&error::FILE_EXISTS, format!("{}: exists already", target.display()))
        }
        _ => source::failure(&target, &error),
    })
}

/// Tells what was added.
pub(crate) fn tell(output: &Output, target: &Path, key_id: &KeyId) -> Run {
    if output.json {
        output.envelope(&json!({
            "ok": true,
            "added": source::shown(target),
            "key_id": key_id.to_string(),
        }))?;
    } else {
        output.say(&format!("added {}\nsigned by key {key_id}", target.display()));
    }
    Ok(0)
}

/// A receipt that will be written when the check is done.
pub(crate) struct Receipt {
    file: PathBuf,
    key: SigningKey,
    at: Moment,
}

impl Receipt {
    /// Everything that can go wrong with it goes wrong before the pack is checked.
    pub(crate) fn prepare(file: &Path, key: &Path, pack: &Path) -> Result<Self, Failure> {
        source::outside(file, pack)?;
        if file.symlink_metadata().is_ok() {
            return Err(Failure::new(&error::FILE_EXISTS, format!("{}: exists already", file.display())));
        }
        let (at, _) = clock::moment(None)?;
        Ok(Self { file: file.to_owned(), key: trust::load(key)?, at })
    }

    /// The key that will sign it.
    pub(crate) fn key_id(&self) -> KeyId {
        self.key.id()
    }

    /// Signs what a check came to, whatever that is.
    pub(crate) fn write(&self, result: &VerifyResult, options: &Options) -> Result<(), Failure> {
        let envelope = attestation::sign(result, options, &self.key, self.at).map_err(Coded::failure)?;
        source::create(&self.file, &envelope.to_bytes())
    }
}

pub(crate) fn receipt(command: cli::Receipt, output: &Output) -> Run {
    let cli::Receipt::Check(arguments) = command;
    check_receipt(&arguments, output)
}

fn check_receipt(arguments: &ReceiptCheck, output: &Output) -> Run {
    let attested = attested(&arguments.file)?;
    let key_id = attested.key.id();
    let said = &attested.attestation;
    let mut against = Vec::new();
    let (pins, policy) = (trusting::pins(&arguments.trusting)?, trusting::policy(&arguments.trusting)?);
    let pinned = pins.iter().any(|pin| match pin {
        Pin::Key(key) => *key == attested.key,
        Pin::Id(id) => *id == key_id,
    });
    let listed = policy.signer(&key_id);
    match listed
        .map(|signer| signer.believed(Role::Verifier, Some(clock::now().unwrap_or(said.bp.verified_at))))
    {
        Some(Err(error)) => against.push(format!("signed by key {key_id}: {error}")),
        None | Some(Ok(())) if pinned => {}
        Some(Ok(())) if pins.is_empty() => {}
        _ => against.push(format!("signed by key {key_id}, which you did not name")),
    }
    if said.bp.seal_key_id == Some(key_id) {
        against.push(format!("key {key_id} sealed the pack itself"));
    }
    if let Some(expected) = arguments.expect_pack.as_deref().map(trusting::expected).transpose()? {
        let about = match &expected {
            Expected::Id(id) => said.bp.pack_id.as_ref() == Some(id),
            Expected::Manifest(digest) => attested.manifest_sha256 == Some(*digest),
        };
        if !about {
            against.push("it is about another pack than the one that you named".to_owned());
        }
    }
    let passed = said.result == TestResult::Passed;
    if !passed && !arguments.allow_fail_verdict {
        against.push("it says that the pack did not pass".to_owned());
    }
    let name = listed.map(|signer| signer.name.clone());
    if output.json {
        output.envelope(&json!({
            "ok": against.is_empty(),
            "key_id": key_id.to_string(),
            "listed": name,
            "manifest_sha256": attested.manifest_sha256.map(|digest| digest.to_string()),
            "against": against,
            "said": said,
        }))?;
    } else {
        output.say(&receipt_text(&attested, name.as_deref(), &against));
    }
    Ok(u8::from(!against.is_empty()))
}

fn receipt_text(attested: &Attested, name: Option<&str>, against: &[String]) -> String {
    let said = &attested.attestation;
    let bp = &said.bp;
    let word = match said.result {
        TestResult::Passed => "the pack passed",
        TestResult::Warned => "less was checked than was demanded",
        TestResult::Failed => "the pack was rejected",
    };
    let manifest =
        attested.manifest_sha256.map_or_else(|| "none was read".to_owned(), |digest| digest.to_string());
    let strict = if bp.strict { "strict" } else { "not strict" };
    let mut text = String::new();
    let mut line = |head: &str, what: &str| text.push_str(&fold(head, what, Long::Break));
    line("says      ", &format!("{word} ({strict})"));
    line("manifest  ", &manifest);
    let (verifier, at) = (&bp.verifier, bp.verified_at);
    line("checked   ", &format!("{at} by {} {} (the verifier's word)", verifier.name, verifier.version));
    line("signed    ", &attested.key.id().to_string());
    if let Some(name) = name {
        line("          ", &format!("{name} (on your trust list)"));
    }
    for finding in &bp.findings {
        line("  ", &format!("{} {}", finding.code, finding.path));
    }
    for reason in against {
        line("refused: ", reason);
    }
    if against.is_empty() {
        text.push_str("The receipt is by a verifier that you trust.\n");
    }
    text
}

//! What a recipient says: whom to believe, what is demanded of a pack, and how long checking may take.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::pack::MANIFEST;
use bp::pack::check::{Demands, Expected, Limits, Options, Pin};
use bp::pack::manifest::{Judge, Producer};
use bp::trust::key::{KeyId, VerifyingKey};
use bp::trust::p256::CoVerifyingKey;
use bp::trust::policy::TrustPolicy;
use bp::trust::timestamp::Anchor;

use crate::cli::{Demanded, Limited, Trusting};
use crate::failure::Coded;
use crate::output::Output;
use crate::{clock, source, trust};

/// Not strict, with whom the recipient believes.
pub(crate) fn options(trusting: &Trusting) -> Result<Options, Failure> {
    Ok(Options {
        strict: false,
        allow_fail_verdict: false,
        only: None,
        payload_dirs: Vec::new(),
        pins: pins(trusting)?,
        policy: policy(trusting)?,
        demands: Demands { now: Some(clock::now()?), ..Demands::default() },
        limits: Limits::default(),
        producer: Producer::this(),
        judge: Judge::this(),
    })
}

/// How much is read.
pub(crate) fn limits(limited: &Limited) -> Limits {
    let default = Limits::default();
    Limits {
        files: limited.max_files.unwrap_or(default.files),
        file_bytes: limited.max_file_bytes.unwrap_or(default.file_bytes),
        total_bytes: limited.max_total_bytes.unwrap_or(default.total_bytes),
        ..default
    }
}

/// The signers that are named for this check.
pub(crate) fn pins(trusting: &Trusting) -> Result<Vec<Pin>, Failure> {
    trusting.signer.iter().map(|signer| pin(signer)).collect()
}

/// A signer as the recipient names it: the id of a key, or a file with its public half.
fn pin(signer: &str) -> Result<Pin, Failure> {
    if let Ok(id) = signer.parse::<KeyId>() {
        return Ok(Pin::Id(id));
    }
    VerifyingKey::read(Path::new(signer)).map(Pin::Key).map_err(Coded::failure)
}

/// The recipient's trust list: the one named, which must exist, else the local one, which may not. Signers that are named
/// for a check stand alone as sealers; the list still says what was revoked, and who verifies and signs off.
pub(crate) fn policy(trusting: &Trusting) -> Result<TrustPolicy, Failure> {
    let trusted = match &trusting.trust_policy {
        Some(file) => TrustPolicy::load(file),
        None => match trust::list() {
            Ok(list) => TrustPolicy::load_or_empty(&list),
            Err(_) => return Ok(TrustPolicy::default()),
        },
    };
    trusted.map_err(|error| Failure::of(&error::TRUST_ERROR, &error))
}

/// What is demanded of one pack.
pub(crate) fn demands(demanded: &Demanded) -> Result<Demands, Failure> {
    let digests = |flag: &str, texts: &[String]| {
        texts.iter().map(|text| digest(flag, text)).collect::<Result<Vec<_>, _>>()
    };
    let judge = demanded.judge.as_deref().map(|text| {
        semver::Version::parse(text).map_err(|error| invalid("--judge", text, &error.to_string()))
    });
    let max_age = demanded.max_age.as_deref().map(|text| duration("--max-age", text));
    Ok(Demands {
        now: Some(clock::now()?),
        pack: demanded.expect_pack.as_deref().map(expected).transpose()?,
        parent: demanded.parent.as_deref().map(manifest).transpose()?,
        subjects: digests("--expect-subject", &demanded.expect_subject)?,
        inputs: digests("--expect-input", &demanded.expect_input)?,
        beacon: demanded.expect_beacon.clone(),
        chain: demanded.expect_chain.as_deref().map(|text| digest("--expect-chain", text)).transpose()?,
        challenge_steps: demanded.expect_challenge_steps,
        challenge_tensors: demanded.expect_challenge_tensors,
        max_age_seconds: max_age.transpose()?.map(|age| age.as_secs()),
        minimum_judge: judge.transpose()?,
        authorities: anchors(&demanded.tsa_root)?,
        stamped_by: demanded
            .stamped_by
            .as_deref()
            .map(|text| clock::moment(Some(text)))
            .transpose()?
            .map(|(at, _)| at),
        co_signers: demanded.co_signer.iter().map(|file| co_signer(file)).collect::<Result<_, _>>()?,
        verifier: None,
    })
}

/// The certificates of time-stamping authorities in files, each under the name that it gives itself.
pub(crate) fn anchors(files: &[PathBuf]) -> Result<Vec<Anchor>, Failure> {
    let mut anchors = Vec::new();
    for file in files {
        anchors.extend(certificates(file, None)?);
    }
    Ok(anchors)
}

/// The certificates in a file, under the name that the recipient gives.
pub(crate) fn certificates(file: &Path, name: Option<&str>) -> Result<Vec<Anchor>, Failure> {
    let bytes = source::bytes(file)?;
    Anchor::all_from_pem(&String::from_utf8_lossy(&bytes), name)
        .map_err(|error| Failure::new(&error::TRUST_ERROR, format!("{}: {error}", file.display())))
}

fn co_signer(file: &Path) -> Result<CoVerifyingKey, Failure> {
    CoVerifyingKey::read(file).map_err(Coded::failure)
}

/// The manifest digest of a pack that is named by its folder, or by that digest.
fn manifest(pack: &Path) -> Result<Digest, Failure> {
    let named = pack.to_str().and_then(|text| text.parse().ok());
    match named {
        Some(digest) => Ok(digest),
        None => Ok(Digest::of(&source::of_pack(pack, MANIFEST)?)),
    }
}

/// A pack as it is named: by its id, or by the digest of its manifest.
pub(crate) fn expected(text: &str) -> Result<Expected, Failure> {
    let id = text.parse().map(Expected::Id).ok();
    let manifest = || text.parse().map(Expected::Manifest).ok();
    id.or_else(manifest).ok_or_else(|| {
        invalid("--expect-pack", text, "neither the id of a pack nor the SHA-256 of a manifest")
    })
}

fn digest(flag: &str, text: &str) -> Result<Digest, Failure> {
    text.parse().map_err(|error: bp::digest::InvalidDigest| invalid(flag, text, &error.to_string()))
}

fn invalid(flag: &str, text: &str, why: &str) -> Failure {
    Failure::new(&error::INVALID_FLAG, format!("{flag} {text:?}: {why}"))
}

/// A length of time: a whole number and s, m, h or d.
fn duration(flag: &str, text: &str) -> Result<Duration, Failure> {
    let wrong = || invalid(flag, text, "a whole number and s, m, h or d is asked for, as in 90d");
    let unit = text.chars().last().filter(char::is_ascii_alphabetic).ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number = &text[..text.len() - 1];
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// The time that checking may take. When it is spent the program says so and ends, whatever the pack makes it do: nothing
/// is written before a check is done. Dropped, it ends nothing any more.
#[derive(Debug)]
pub(crate) struct Budget(
    #[expect(dead_code, reason = "held, so that the other end sees it go")] Option<Sender<()>>,
);

impl Budget {
    pub(crate) fn start(demanded: &Demanded, output: &Output) -> Result<Self, Failure> {
        let Some(text) = demanded.budget.as_deref() else { return Ok(Self(None)) };
        let limit = duration("--budget", text)?;
        let (done, waiting) = mpsc::channel::<()>();
        let (output, text) = (output.clone(), text.to_owned());
        std::thread::spawn(move || {
            if waiting.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                let message = format!("checking took longer than {text}");
                std::process::exit(output.failure(&Failure::new(&error::BUDGET_SPENT, message)).into());
            }
        });
        Ok(Self(Some(done)))
    }
}

//! `trust`: the recipient's own list.

use std::path::{Path, PathBuf};

use bp::error::{self, Failure};
use bp::pack::Moment;
use bp::trust::key::{KeyId, VerifyingKey};
use bp::trust::policy::TrustPolicy;
use bp::trust::{Envelope, Revocation, Role, Rotation, Signer};
use serde_json::{Value, json};

use crate::cli::{Trust, TrustAdd, TrustList};
use crate::failure::Coded;
use crate::output::Output;
use crate::{Run, clock, source, trust, trusting};

pub(crate) fn trust(command: Trust, output: &Output) -> Run {
    match command {
        Trust::Add(arguments) => add(&arguments, output),
        Trust::Revoke { id, reason, at, list } => revoke(&id, &reason, at.as_deref(), &list, output),
        Trust::List { list } => {
            let (path, policy) = load(&list)?;
            told(&path, &policy, &[], output)?;
            Ok(0)
        }
        Trust::Check { list } => check(&list, output),
    }
}

fn place(list: &TrustList) -> Result<PathBuf, Failure> {
    list.trust_policy.clone().map_or_else(trust::list, Ok)
}

fn load(list: &TrustList) -> Result<(PathBuf, TrustPolicy), Failure> {
    let path = place(list)?;
    let policy = match &list.trust_policy {
        Some(file) => TrustPolicy::load(file),
        None => TrustPolicy::load_or_empty(&path),
    };
    policy.map(|policy| (path, policy)).map_err(Coded::failure)
}

fn moment(text: Option<&str>) -> Result<Option<Moment>, Failure> {
    text.map(|text| clock::moment(Some(text)).map(|(moment, _)| moment)).transpose()
}

/// Makes the folder of a list that is still to be made.
fn folder(path: &Path) -> Result<(), Failure> {
    let folder = bp::persist::parent_of(path);
    std::fs::create_dir_all(folder).map_err(|error| source::failure(folder, &error))
}

fn add(arguments: &TrustAdd, output: &Output) -> Run {
    let path = place(&arguments.list)?;
    let now = clock::now()?;
    folder(&path)?;
    let policy = if let Some(file) = &arguments.tsa_root {
        TrustPolicy::add_authorities(&path, &trusting::certificates(file, arguments.name.as_deref())?)
    } else if let Some(file) = &arguments.rotation {
        let bytes = source::bytes(file)?;
        let unsound = |error: &dyn std::error::Error| {
            Failure::new(&error::STATEMENT_ERROR, format!("{}: {error}", file.display()))
        };
        let envelope = Envelope::parse(&bytes).map_err(|error| unsound(&error))?;
        let rotation = Rotation::open(&envelope).map_err(|error| unsound(&error))?;
        TrustPolicy::rotate(&path, &rotation, &now)
    } else {
        let (Some(key), Some(name), Some(role)) = (&arguments.key, &arguments.name, arguments.role) else {
            return Err(Failure::new(&error::USAGE, "a key, --name and --role are needed"));
        };
        let key = VerifyingKey::read(key).map_err(Coded::failure)?;
        let signer = Signer {
            valid_from: moment(arguments.valid_from.as_deref())?,
            valid_until: moment(arguments.valid_until.as_deref())?,
            ..Signer::new(name, role.into(), key, &now.to_string())
        };
        let there = TrustPolicy::load_or_empty(&path).map_err(Coded::failure)?;
        if there.signer(&signer.public_key.id()).is_some_and(|there| !same(there, &signer)) {
            let message = format!("key {} is listed already, as something else", signer.public_key.id());
            return Err(Failure::new(&error::TRUST_ERROR, message)
                .hint("A key has one entry; edit the list to change it."));
        }
        TrustPolicy::add(&path, signer)
    };
    told(&path, &policy.map_err(Coded::failure)?, &[], output)?;
    Ok(0)
}

/// Whether two entries say the same but for when they were added.
fn same(one: &Signer, other: &Signer) -> bool {
    *one == Signer { added_at: one.added_at.clone(), ..other.clone() }
}

fn revoke(id: &str, reason: &str, at: Option<&str>, list: &TrustList, output: &Output) -> Run {
    let id: KeyId = id.parse().map_err(|error: bp::digest::InvalidDigest| {
        Failure::new(&error::INVALID_FLAG, format!("{id:?}: {error}"))
    })?;
    let (path, now) = (place(list)?, clock::now()?);
    let revocation = Revocation { at: moment(at)?.unwrap_or(now), reason: reason.to_owned() };
    let policy = TrustPolicy::revoke(&path, &id, revocation).map_err(Coded::failure)?;
    told(&path, &policy, &[], output)?;
    Ok(0)
}

/// What makes the list less than it asks for.
fn check(list: &TrustList, output: &Output) -> Run {
    let (path, policy) = load(list)?;
    let now = clock::now()?;
    let believed =
        |role: Role| policy.in_role(role).filter(|signer| signer.believed(role, Some(now)).is_ok()).count();
    let mut findings: Vec<String> = Vec::new();
    for signer in policy.signers() {
        if let Err(error) = signer.believed(signer.role, Some(now)) {
            findings.push(format!("{} ({}): {error}", signer.name, signer.public_key.id()));
        }
    }
    if believed(Role::Seal) == 0 {
        findings.push("no key that seals is believed, so no pack is".to_owned());
    }
    for (role, wanted) in
        [(Role::Verifier, policy.requires().verifiers), (Role::Signoff, policy.requires().signoffs)]
    {
        let there = believed(role);
        if (there as u64) < u64::from(wanted) {
            findings
                .push(format!("{wanted} of role {} are asked for, and {there} are believed", role.name()));
        }
    }
    let (wanted, there) = (policy.requires().timestamps, policy.authorities().len());
    if (there as u64) < u64::from(wanted) {
        findings.push(format!("{wanted} time stamps are asked for, and {there} authorities are listed"));
    }
    told(&path, &policy, &findings, output)?;
    Ok(u8::from(!findings.is_empty()))
}

fn told(path: &Path, policy: &TrustPolicy, findings: &[String], output: &Output) -> Result<(), Failure> {
    if output.json {
        let signer = |signer: &Signer| {
            json!({
                "key_id": signer.public_key.id().to_string(),
                "name": signer.name,
                "role": signer.role.name(),
                "added_at": signer.added_at,
                "valid_from": signer.valid_from,
                "valid_until": signer.valid_until,
                "revoked_at": signer.revoked.as_ref().map(|revoked| revoked.at),
                "revoked_reason": signer.revoked.as_ref().map(|revoked| &revoked.reason),
            })
        };
        let signers: Vec<Value> = policy.signers().iter().map(signer).collect();
        return output.envelope(&json!({
            "ok": findings.is_empty(),
            "trust_policy": source::shown(path),
            "requires": policy.requires(),
            "signers": signers,
            "timestamp_authorities": policy.authorities().iter().map(|anchor| json!({
                "name": anchor.name(),
                "sha256": anchor.sha256(),
            })).collect::<Vec<_>>(),
            "findings": findings,
        }));
    }
    let mut text = format!("{}\n", path.display());
    for signer in policy.signers() {
        let time = [("from", signer.valid_from), ("until", signer.valid_until)];
        let time: String =
            time.into_iter().filter_map(|(word, at)| Some(format!(" {word} {}", at?))).collect();
        let id = signer.public_key.id().to_string();
        let head = format!("{:<9} {}{time}", signer.role.name(), signer.name);
        text.extend([&head, "\n          ", &id, "\n"]);
        if let Some(revoked) = &signer.revoked {
            text.extend(["          revoked ", &revoked.at.to_string(), ": ", &revoked.reason, "\n"]);
        }
    }
    for anchor in policy.authorities() {
        let head = format!("{:<9} {}", "time", anchor.name().escape_debug());
        text.extend([&head, "\n          ", &anchor.sha256().to_string(), "\n"]);
    }
    if policy.signers().is_empty() {
        text.push_str("nobody is listed\n");
    }
    for finding in findings {
        text.extend(["finding   ", finding, "\n"]);
    }
    output.say(&text);
    Ok(())
}

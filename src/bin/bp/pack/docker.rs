//! What Docker keeps of a registry: its `config.json`, and the helper programs that this names.
//!
//! A helper is a program `docker-credential-NAME` that is given a host and answers with a user and a secret
//! (docker/docker-credential-helpers, "get").

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bp::error::{self, Failure};
use bp::store::Url;
use serde_json::{Value, json};

use crate::source;

/// So long a helper may take: some ask their user.
const PATIENCE: Duration = Duration::from_mins(1);
/// The user that a helper names where the secret is an identity token.
const TOKEN: &str = "<token>";

/// The text of a configuration that says of a registry who asks: Docker's own, or what the helper says that it names.
pub(super) fn configuration(url: &Url) -> Result<Option<String>, Failure> {
    let Some(text) = kept() else { return Ok(None) };
    let Ok(document) = bp::json::parse(text.as_bytes()) else { return Ok(Some(text)) };
    let [host, ..] = url.registry_names();
    let Some(helper) = helper(&document, &host) else { return Ok(Some(text)) };
    Ok(match asked(&host, helper)? {
        Some(entry) => Some(json!({ "auths": { host: entry } }).to_string()),
        None => Some(text),
    })
}

/// `DOCKER_AUTH_CONFIG`, or the file.
fn kept() -> Option<String> {
    if let Some(text) = source::variable("DOCKER_AUTH_CONFIG") {
        return text.into_string().ok();
    }
    let home = || source::variable("HOME").map(|home| Path::new(&home).join(".docker"));
    let folder = source::variable("DOCKER_CONFIG").map(PathBuf::from).or_else(home)?;
    std::fs::read_to_string(folder.join("config.json")).ok()
}

/// The helper for a host: its own, or the one for all.
fn helper<'a>(document: &'a Value, host: &str) -> Option<&'a str> {
    let own = document["credHelpers"][host].as_str();
    own.or_else(|| document["credsStore"].as_str()).filter(|name| !name.is_empty())
}

/// What a helper says of a host; `None` where it knows nothing of it.
fn asked(host: &str, helper: &str) -> Result<Option<Value>, Failure> {
    let program = format!("docker-credential-{helper}");
    let failed = |why: &str| {
        let message = format!("{program}, which Docker's configuration names for {host}: {why}");
        Failure::new(&error::STORE_NOT_SET_UP, message)
            .hint("log in again with the registry's own program, or set DOCKER_AUTH_CONFIG")
    };
    if !helper.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter)) {
        return Err(failed("not the name of a program"));
    }
    let mut command = Command::new(&program);
    command.arg("get").stderr(Stdio::null());
    let answer = crate::program::asked(&mut command, host.as_bytes(), Some(PATIENCE));
    let (status, text) = answer.map_err(|error| failed(&error.to_string()))?;
    let text = String::from_utf8(text).map_err(|_| failed("an answer that is no text"))?;
    if !status.success() {
        // The protocol has this sentence for what is not kept, and no status of its own.
        let unknown = text.trim() == "credentials not found in native keychain";
        return if unknown { Ok(None) } else { Err(failed("it knows of no one who may ask")) };
    }
    let document = bp::json::parse(text.as_bytes()).map_err(|_| failed("an answer that is not JSON"))?;
    let (Some(user), Some(secret)) = (document["Username"].as_str(), document["Secret"].as_str()) else {
        return Err(failed("an answer without a user and a secret"));
    };
    Ok(Some(match user {
        TOKEN => json!({ "identitytoken": secret }),
        _ => json!({ "username": user, "password": secret }),
    }))
}

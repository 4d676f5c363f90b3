//! How a registry is shown who asks: the challenge of an answer 401, and what Docker's configuration says of the host.

use base64ct::{Base64, Encoding as _};
use serde_json::Value;
use ureq::http::header::{HeaderMap, WWW_AUTHENTICATE};

use crate::store::client::{Ask, Client};
use crate::store::error::StoreError;
use crate::store::escaped;
use crate::store::settings::Settings;
use crate::store::url::{Url, is_loopback};

/// What is known of a host; without a user, a registry may still give a token to anyone.
pub(super) struct Access {
    /// `user:password` in base64.
    basic: Option<String>,
    /// Whether the registry is this machine, so that what gives tokens may be too.
    is_loopback: bool,
}

impl Access {
    /// From `DOCKER_AUTH_CONFIG`, the text of a `config.json` of Docker.
    pub(super) fn of(url: &Url, settings: &Settings) -> Result<Self, StoreError> {
        let is_loopback = url.is_loopback();
        let Some(text) = settings.variable("DOCKER_AUTH_CONFIG") else {
            return Ok(Self { basic: None, is_loopback });
        };
        let document = crate::json::parse(text.as_bytes()).map_err(|_| StoreError::Settings {
            place: url.to_string(),
            what: "what Docker keeps of registries (DOCKER_AUTH_CONFIG, or its config.json) is not JSON"
                .to_owned(),
        })?;
        let host = url.authority();
        let entry = [host.to_owned(), format!("https://{host}"), format!("https://{host}/v1/")];
        let entry = entry.iter().map(|name| &document["auths"][name]).find(|entry| entry.is_object());
        Ok(Self { basic: entry.and_then(basic), is_loopback })
    }

    /// What answers the challenge of a registry; none where nothing can.
    pub(super) fn answer(
        &self,
        client: &Client,
        place: &str,
        headers: &HeaderMap,
    ) -> Result<Option<String>, StoreError> {
        let basic = self.basic.as_ref().map(|basic| format!("Basic {basic}"));
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        for challenge in challenges {
            let (kind, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
            if kind.eq_ignore_ascii_case("basic") {
                return Ok(basic);
            }
            if kind.eq_ignore_ascii_case("bearer") {
                return self.token(client, place, rest, basic.as_deref()).map(Some);
            }
        }
        Ok(None)
    }

    /// Asks the server that the registry names for a token.
    fn token(
        &self,
        client: &Client,
        place: &str,
        challenge: &str,
        basic: Option<&str>,
    ) -> Result<String, StoreError> {
        let odd = |reason: &str| StoreError::Answer { place: place.to_owned(), reason: reason.to_owned() };
        let realm =
            parameter(challenge, "realm").ok_or_else(|| odd("401 without saying who gives tokens"))?;
        let authority =
            realm.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
        if !(realm.starts_with("https://")
            || realm.starts_with("http://") && self.is_loopback && is_loopback(authority))
        {
            return Err(odd("401, and names a server without TLS for tokens"));
        }
        let mut uri = realm.to_owned();
        for name in ["service", "scope"] {
            if let Some(value) = parameter(challenge, name) {
                uri.push(if uri.contains('?') { '&' } else { '?' });
                uri.extend([name, "=", &escaped(value)]);
            }
        }
        let whole = client.whole(place, &Ask::get(uri).authorization(basic))?;
        let document = whole.fine(place)?.document(place)?;
        let token = ["token", "access_token"].iter().find_map(|name| document[*name].as_str());
        Ok(format!("Bearer {}", token.ok_or_else(|| odd("with no token"))?))
    }
}

/// The value of `name="value"` in a challenge.
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = challenge;
    loop {
        let (key, after) = rest.split_once("=\"")?;
        let (value, after) = after.split_once('"')?;
        if key.trim_matches([',', ' ']).eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

fn basic(entry: &Value) -> Option<String> {
    if let Some(auth) = entry["auth"].as_str().filter(|auth| !auth.is_empty()) {
        return Some(auth.to_owned());
    }
    let (user, password) = (entry["username"].as_str()?, entry["password"].as_str()?);
    Some(Base64::encode_string(format!("{user}:{password}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_by_its_names() {
        let challenge = r#"realm="https://auth/token",service="reg.io",scope="repository:a/b:pull,push""#;
        assert_eq!(parameter(challenge, "realm"), Some("https://auth/token"));
        assert_eq!(parameter(challenge, "Scope"), Some("repository:a/b:pull,push"));
        assert_eq!(parameter(challenge, "error"), None);
    }

    #[test]
    fn of_a_host_its_own_user_is_taken() {
        let config =
            r#"{"auths":{"host:5000":{"auth":"dTpw"},"https://other/v1/":{"username":"u","password":"p"}}}"#;
        let settings = Settings::new([("DOCKER_AUTH_CONFIG".to_owned(), config.to_owned())]);
        let of = |url: &str| Access::of(&url.parse().unwrap(), &settings).unwrap().basic;
        assert_eq!(of("oci://host:5000/a:b").as_deref(), Some("dTpw"));
        assert_eq!(of("oci://other/a:b").as_deref(), Some("dTpw"));
        assert_eq!(of("oci://third/a:b"), None);
    }
}

//! How a registry is shown who asks: the challenge of an answer 401, and what Docker's configuration says of the host.

use base64ct::{Base64, Encoding as _};
use serde_json::Value;
use ureq::http::Method;
use ureq::http::header::{HeaderMap, WWW_AUTHENTICATE};

use crate::store::client::{Ask, Client, Content};
use crate::store::error::StoreError;
use crate::store::escaped;
use crate::store::settings::Settings;
use crate::store::url::{Url, is_loopback};

const FORM: &str = "application/x-www-form-urlencoded";

/// Who asks, as Docker's configuration has it.
#[derive(PartialEq)]
enum Known {
    /// `user:password` in base64.
    Basic(String),
    /// A token for which others are given.
    Identity(String),
}

/// What is known of a host; without a user, a registry may still give a token to anyone.
pub(super) struct Access {
    known: Option<Known>,
    /// Whether the registry is this machine, so that what gives tokens may be too.
    is_loopback: bool,
}

impl Access {
    /// From `DOCKER_AUTH_CONFIG`, the text of a `config.json` of Docker.
    pub(super) fn of(url: &Url, settings: &Settings) -> Result<Self, StoreError> {
        let is_loopback = url.is_loopback();
        let Some(text) = settings.variable("DOCKER_AUTH_CONFIG") else {
            return Ok(Self { known: None, is_loopback });
        };
        let document = crate::json::parse(text.as_bytes()).map_err(|_| StoreError::Settings {
            place: url.to_string(),
            what: "what Docker keeps of registries (DOCKER_AUTH_CONFIG, or its config.json) is not JSON"
                .to_owned(),
        })?;
        let names = url.registry_names();
        let entry = names.iter().map(|name| &document["auths"][name]).find(|entry| entry.is_object());
        Ok(Self { known: entry.and_then(known), is_loopback })
    }

    /// What answers the challenge of a registry; none where nothing can.
    pub(super) fn answer(
        &self,
        client: &Client,
        place: &str,
        headers: &HeaderMap,
    ) -> Result<Option<String>, StoreError> {
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        for challenge in challenges {
            let (kind, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
            if kind.eq_ignore_ascii_case("basic") {
                return Ok(self.basic());
            }
            if kind.eq_ignore_ascii_case("bearer") {
                return self.token(client, place, rest).map(Some);
            }
        }
        Ok(None)
    }

    fn basic(&self) -> Option<String> {
        match &self.known {
            Some(Known::Basic(basic)) => Some(format!("Basic {basic}")),
            _ => None,
        }
    }

    /// Asks the server that the registry names for a token: by who asks (the specification of Docker's registry,
    /// "Token Authentication"), or for an identity token (the same, "`OAuth2` Token Authentication").
    fn token(&self, client: &Client, place: &str, challenge: &str) -> Result<String, StoreError> {
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
        let asked = ["service", "scope"].iter().filter_map(|name| Some((*name, parameter(challenge, name)?)));
        let whole = if let Some(Known::Identity(token)) = &self.known {
            let own = [("grant_type", "refresh_token"), ("client_id", "bp"), ("refresh_token", token)];
            let form = pairs(own.into_iter().chain(asked));
            let content = Content::Bytes(form.as_bytes());
            let ask = Ask::new(Method::POST, realm).header("content-type", FORM).content(content);
            client.whole(place, &ask)?
        } else {
            let mut uri = realm.to_owned();
            let query = pairs(asked);
            if !query.is_empty() {
                uri.push(if uri.contains('?') { '&' } else { '?' });
            }
            uri.push_str(&query);
            client.whole(place, &Ask::get(uri).authorization(self.basic().as_deref()))?
        };
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

fn pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    pairs.map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("&")
}

fn known(entry: &Value) -> Option<Known> {
    let filled = |key: &str| entry[key].as_str().filter(|text| !text.is_empty());
    if let Some(token) = filled("identitytoken") {
        return Some(Known::Identity(token.to_owned()));
    }
    if let Some(auth) = filled("auth") {
        return Some(Known::Basic(auth.to_owned()));
    }
    let (user, password) = (entry["username"].as_str()?, entry["password"].as_str()?);
    Some(Known::Basic(Base64::encode_string(format!("{user}:{password}").as_bytes())))
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
        let config = r#"{"auths":{"host:5000":{"auth":"dTpw"},"https://other/v1/":{"username":"u","password":"p"},
            "fourth":{"auth":"eA==","identitytoken":"t"},"https://index.docker.io/v1/":{"auth":"aHVi"}}}"#;
        let settings = Settings::new([("DOCKER_AUTH_CONFIG".to_owned(), config.to_owned())]);
        let of = |url: &str| Access::of(&url.parse().unwrap(), &settings).unwrap().known;
        let basic = |text: &str| Some(Known::Basic(text.to_owned()));
        assert!(of("oci://host:5000/a:b") == basic("dTpw"));
        assert!(of("oci://other/a:b") == basic("dTpw"));
        assert!(of("oci://third/a:b").is_none());
        assert!(of("oci://fourth/a:b") == Some(Known::Identity("t".to_owned())));
        assert!(of("oci://docker.io/a/b:c") == basic("aHVi"));
    }
}

//! A time-stamping authority, asked over HTTP (RFC 3161, 3.4). What its answer is worth is for `trust` to judge.

use std::fmt;
use std::str::FromStr;

use ureq::http::Method;

use super::client::{Ask, Client, Content};
use super::error::StoreError;
use super::settings::Patience;
use super::url::{Scheme, Url, UrlError};

/// Where an authority is asked: an `http://` or `https://` URL in which no secret stands. A token shows by itself who signed
/// it, so the way to it need not be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityUrl(String);

impl FromStr for AuthorityUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url: Url = text.parse()?;
        if ![Scheme::Http, Scheme::Https].contains(&url.scheme()) {
            return Err(UrlError::Form("an authority's URL begins with http:// or https://"));
        }
        // As it is written: a slash at its end is a part of its name.
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for AuthorityUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AuthorityUrl {
    /// What it answers to a query: the DER of a request, and of a reply. No redirect is followed, and no credential sent.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be reached, or refuses.
    pub fn ask(&self, query: &[u8], patience: Patience) -> Result<Vec<u8>, StoreError> {
        let ask = Ask::new(Method::POST, self.0.as_str())
            .header("content-type", "application/timestamp-query")
            .header("accept", "application/timestamp-reply")
            .content(Content::Bytes(query));
        Ok(Client::new(patience, 0).whole(&self.0, &ask)?.fine(&self.0)?.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_asked_over_http_and_its_url_holds_no_secret() {
        for text in ["http://tsa.example", "https://tsa.example/tsr/", "http://127.0.0.1:8080/tsa"] {
            assert_eq!(text.parse::<AuthorityUrl>().unwrap().to_string(), text);
        }
        for (text, wanted) in [
            ("https://user:hunter2@tsa.example/", UrlError::UserInfo),
            ("https://tsa.example/?key=hunter2", UrlError::Query),
            ("tsa.example", UrlError::Scheme),
            ("file:///tsa", UrlError::Form("an authority's URL begins with http:// or https://")),
            ("s3://tsa/x", UrlError::Form("an authority's URL begins with http:// or https://")),
        ] {
            assert_eq!(text.parse::<AuthorityUrl>().unwrap_err(), wanted, "{text}");
        }
    }
}

//! A server that gives and takes files by HTTP (RFC 9110), with ranges where it has them.

use std::io::{self, Read as _};

use ureq::http::header::{CONTENT_RANGE, ETAG, HeaderMap, LAST_MODIFIED};
use ureq::http::{Method, StatusCode};

use super::client::{Ask, Client, Content, reason, refused};
use super::error::StoreError;
use super::reading::{Piece, Reading};
use super::settings::Settings;
use super::source::Source;
use super::url::{Scheme, Url};
use super::{Creation, Named, Objects};

/// Redirects that are followed.
const REDIRECTS: u32 = 5;

pub(super) struct Web {
    url: Url,
    client: Client,
    authorization: Option<String>,
}

impl Web {
    pub(super) fn of(url: &Url, settings: &Settings) -> Self {
        // A token goes to no one who may be listening on the way.
        let private = url.scheme() == Scheme::Https || url.is_loopback();
        let token = settings.variable("BP_HTTP_TOKEN").filter(|_| private);
        Self {
            url: url.clone(),
            client: Client::new(settings.patience, REDIRECTS),
            authorization: token.map(|token| format!("Bearer {token}")),
        }
    }

    fn ask(&self, method: Method, name: &str) -> Ask<'static> {
        Ask::new(method, self.url.place(name)).authorization(self.authorization.as_deref())
    }
}

impl Objects for Web {
    fn names(&self) -> Result<Vec<Named>, StoreError> {
        let what = "a web server has no list that could be trusted; name one archive".to_owned();
        Err(StoreError::Unsupported { place: self.url.to_string(), what })
    }

    fn create(&self, name: &str, source: &Source) -> Result<Creation, StoreError> {
        let place = self.url.place(name);
        // Not every server that takes files keeps to the condition; none is asked to where a file is.
        let there = self.client.whole(&place, &self.ask(Method::HEAD, name))?;
        if there.status.is_success() {
            return Ok(Creation::Taken);
        }
        let ask = self.ask(Method::PUT, name).header("if-none-match", "*").content(Content::File(source));
        let response = self.client.send(&place, &ask)?;
        match response.status() {
            status if status.is_success() => Ok(Creation::Created),
            StatusCode::PRECONDITION_FAILED => Ok(Creation::Taken),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                let what = "this server takes no files".to_owned();
                Err(StoreError::Unsupported { place, what })
            }
            status => Err(refused(&place, status, reason(response))),
        }
    }

    fn open(&self, name: &str, _glimpse: bool) -> Result<Reading, StoreError> {
        let uri = self.url.place(name);
        streamed(&self.client, &uri, &uri, self.authorization.clone())
    }
}

/// The bytes behind a URL: in one answer where nothing breaks, else in as many as it takes.
pub(super) fn streamed(
    client: &Client,
    place: &str,
    uri: &str,
    authorization: Option<String>,
) -> Result<Reading, StoreError> {
    let (told, asked, from) = (place.to_owned(), uri.to_owned(), client.clone());
    let fetch = move |at: u64| piece(&from, &told, &asked, authorization.as_deref(), at);
    Reading::open(place, client.patience, Box::new(fetch))
}

fn piece(
    client: &Client,
    place: &str,
    uri: &str,
    authorization: Option<&str>,
    at: u64,
) -> Result<Piece, StoreError> {
    let mut ask = Ask::get(uri).authorization(authorization);
    if at > 0 {
        ask = ask.header("range", &format!("bytes={at}-"));
    }
    let response = client.send(place, &ask)?;
    let status = response.status();
    let version = version(response.headers());
    let size_bytes = match status {
        StatusCode::OK => response.body().content_length(),
        StatusCode::PARTIAL_CONTENT => {
            let (from, size_bytes) = range(response.headers()).ok_or_else(|| {
                let reason = format!("{status} without saying which part");
                StoreError::Answer { place: place.to_owned(), reason }
            })?;
            if from != at {
                let reason = format!("{status} with another part than was asked for");
                return Err(StoreError::Answer { place: place.to_owned(), reason });
            }
            size_bytes
        }
        // What has become shorter than what was read of it.
        StatusCode::RANGE_NOT_SATISFIABLE => return Err(StoreError::Changed { place: place.to_owned() }),
        _ => return Err(refused(place, status, reason(response))),
    };
    let mut bytes = response.into_body().into_reader();
    if status == StatusCode::OK && at > 0 {
        // A server without ranges: what was read before comes again. If it breaks off here, so does this piece.
        let _ = io::copy(&mut bytes.by_ref().take(at), &mut io::sink());
    }
    Ok(Piece { bytes: Box::new(bytes), size_bytes, version })
}

fn version(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(ETAG).or_else(|| headers.get(LAST_MODIFIED))?;
    value.to_str().ok().map(str::to_owned)
}

/// `bytes FROM-TO/SIZE`: from where, and of how many where that is known.
fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (part, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let from = part.split_once('-')?.0.parse().ok()?;
    match size {
        "*" => Some((from, None)),
        size => Some((from, Some(size.parse().ok()?))),
    }
}

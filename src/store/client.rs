//! HTTP as every store needs it: tried again when that can help, given up when nothing moves, silent about secrets.

use std::io::Read as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ureq::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

use super::error::StoreError;
use super::settings::Patience;
use super::source::Source;

/// The longest answer that is taken into memory: a piece of an archive, a listing, an error.
pub(super) const MAX_WHOLE_BYTES: u64 = 64 << 20;
/// Of an error's text so much is looked at.
const MAX_REASON_BYTES: u64 = 1 << 16;
/// Longer bodies are sent once the server has said that it wants them, or nothing for a second.
const MAX_UNASKED_BYTES: u64 = 1 << 20;
/// Connections are made in this time or not at all.
const CONNECT: Duration = Duration::from_secs(15);
/// A store that puts many parts together, or copies an object, may take so many times as long as any other silence.
const THINKING: u32 = 20;

/// What goes with a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// All of a file.
    File(&'a Source),
}

/// One request, which can be made again.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    method: Method,
    uri: String,
    headers: HeaderMap,
    content: Content<'a>,
    /// Whether the store has long work to do before it answers.
    is_long: bool,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, uri: impl Into<String>) -> Self {
        Self { method, uri: uri.into(), headers: HeaderMap::new(), content: Content::Nothing, is_long: false }
    }

    pub(super) fn get(uri: impl Into<String>) -> Self {
        Self::new(Method::GET, uri)
    }

    pub(super) fn headers(self, headers: HeaderMap) -> Self {
        Self { headers, ..self }
    }

    /// With one more header. What no header can hold is left out; the store then answers that it is missing.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = value.parse() {
            self.headers.insert(name, value);
        }
        self
    }

    /// With what shows who asks, which is never told.
    pub(super) fn authorization(mut self, value: Option<&str>) -> Self {
        if let Some(Ok(mut value)) = value.map(str::parse::<HeaderValue>) {
            value.set_sensitive(true);
            self.headers.insert(AUTHORIZATION, value);
        }
        self
    }

    /// For what the store has long work to do. It is not asked again where no answer came: the work may be under way.
    pub(super) fn long(self, is_long: bool) -> Self {
        Self { is_long, ..self }
    }

    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    pub(super) fn content(self, content: Content<'a>) -> Self {
        Self { content, ..self }
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Vec<u8>,
}

impl Whole {
    /// Itself, unless it refuses.
    pub(super) fn fine(self, place: &str) -> Result<Self, StoreError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(refused(place, self.status, reason_of(self.status, &self.bytes)))
    }

    /// The JSON that it must be.
    pub(super) fn document(&self, place: &str) -> Result<serde_json::Value, StoreError> {
        parsed(place, &self.bytes)
    }
}

/// The JSON that an answer must be.
pub(super) fn parsed(place: &str, bytes: &[u8]) -> Result<serde_json::Value, StoreError> {
    crate::json::parse(bytes).map_err(|_| StoreError::Answer {
        place: place.to_owned(),
        reason: "with something that is not JSON".to_owned(),
    })
}

/// Why one try came to nothing.
enum Failed {
    /// Another may not.
    Again { reason: String, after: Option<Duration> },
    /// So would every other.
    Stop(StoreError),
}

/// Tries until something comes of it, or patience ends.
fn trying<T>(
    patience: &Patience,
    place: &str,
    mut once: impl FnMut() -> Result<T, Failed>,
) -> Result<T, StoreError> {
    let mut tries = 1;
    loop {
        match once() {
            Ok(done) => return Ok(done),
            Err(Failed::Stop(error)) => return Err(error),
            Err(Failed::Again { reason, .. }) if tries >= patience.tries => {
                return Err(StoreError::Unreachable { place: place.to_owned(), reason, tries });
            }
            Err(Failed::Again { after, .. }) => thread::sleep(patience.after(tries, after)),
        }
        tries += 1;
    }
}

/// A client of all servers.
#[derive(Debug, Clone)]
pub(super) struct Client {
    agent: Agent,
    pub(super) patience: Patience,
}

impl Client {
    /// Follows redirects, without what shows who asks, where `redirects` is not 0.
    pub(super) fn new(patience: Patience, redirects: u32) -> Self {
        Self::with(patience, redirects, ureq::Proxy::try_from_env())
    }

    /// For addresses that mean something on this machine alone: no proxy is asked, and no redirect followed.
    pub(super) fn direct(patience: Patience) -> Self {
        Self::with(patience, 0, None)
    }

    fn with(patience: Patience, redirects: u32, proxy: Option<ureq::Proxy>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let found = rustls_native_certs::load_native_certs();
        let roots = found.certs.iter().map(|der| Certificate::from_der(der).to_owned());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots.collect())))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let stall = Some(patience.stall);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(proxy)
            .max_redirects(redirects)
            .max_redirects_will_error(redirects > 0)
            .timeout_connect(Some(CONNECT.min(patience.stall)))
            .timeout_recv_response(stall)
            .timeout_per_read(stall)
            .timeout_per_write(stall)
            .user_agent(concat!("bp/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        Self { agent: Agent::new_with_config(config), patience }
    }

    /// The same, for what must be begun anew before it is tried again.
    pub(super) fn once_only(&self) -> Self {
        Self { patience: Patience { tries: 1, ..self.patience }, ..self.clone() }
    }

    /// Asks, and answers whatever status came that another try would not change. The body is still to be read.
    pub(super) fn send(&self, place: &str, ask: &Ask<'_>) -> Result<Response<Body>, StoreError> {
        trying(&self.patience, place, || self.once(place, ask))
    }

    /// Asks, and reads the answer to its end; one that is cut off is asked for again.
    pub(super) fn whole(&self, place: &str, ask: &Ask<'_>) -> Result<Whole, StoreError> {
        trying(&self.patience, place, || {
            let (parts, body) = self.once(place, ask)?.into_parts();
            let mut bytes = Vec::new();
            let mut reader = body.into_reader().take(MAX_WHOLE_BYTES + 1);
            reader.read_to_end(&mut bytes).map_err(|error| Failed::Again {
                reason: format!("the answer broke off: {}", told(&error.into())),
                after: None,
            })?;
            if bytes.len() as u64 > MAX_WHOLE_BYTES {
                let reason = format!("{}, and more than {MAX_WHOLE_BYTES} bytes", parts.status);
                return Err(Failed::Stop(StoreError::Answer { place: place.to_owned(), reason }));
            }
            Ok(Whole { status: parts.status, headers: parts.headers, bytes })
        })
    }

    fn run(
        &self,
        ask: &Ask<'_>,
        length: Option<u64>,
        body: SendBody<'_>,
    ) -> Result<Response<Body>, ureq::Error> {
        let mut request = Request::builder().method(ask.method.clone()).uri(&ask.uri).body(body)?;
        request.headers_mut().extend(ask.headers.clone());
        // A body in chunks, without a stated length, is refused by many stores.
        if let Some(length) = length {
            request.headers_mut().insert("content-length", length.into());
            // A refusal that comes while a long body is being sent is lost with the connection: it is asked for first.
            if length > MAX_UNASKED_BYTES {
                request.headers_mut().insert("expect", HeaderValue::from_static("100-continue"));
            }
        }
        if !ask.is_long {
            return self.agent.run(request);
        }
        // A limit on each read is one on the answer too.
        let long = Some(self.patience.stall * THINKING);
        let request = self.agent.configure_request(request).timeout_recv_response(long);
        self.agent.run(request.timeout_per_read(long).build())
    }

    fn once(&self, place: &str, ask: &Ask<'_>) -> Result<Response<Body>, Failed> {
        let made = match ask.content {
            Content::Nothing => self.run(ask, None, SendBody::none()),
            Content::Bytes(mut bytes) => {
                self.run(ask, Some(bytes.len() as u64), SendBody::from_reader(&mut bytes))
            }
            Content::File(source) => {
                let mut file = source.from(0, source.size_bytes).map_err(Failed::Stop)?;
                self.run(ask, Some(source.size_bytes), SendBody::from_reader(&mut file))
            }
        };
        let response = made.map_err(|error| match error {
            _ if is_distrust(&error) => {
                let what = format!("{}; SSL_CERT_FILE names certificates of your own", told(&error));
                Failed::Stop(StoreError::Settings { place: place.to_owned(), what })
            }
            ureq::Error::Timeout(_) if ask.is_long => Failed::Stop(StoreError::Unreachable {
                place: place.to_owned(),
                reason: told(&error),
                tries: 1,
            }),
            ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::Protocol(_) => Failed::Again { reason: told(&error), after: None },
            error => Failed::Stop(StoreError::Answer { place: place.to_owned(), reason: told(&error) }),
        })?;
        let status = response.status();
        if [408, 425, 429, 500, 502, 503, 504].contains(&status.as_u16()) {
            let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let after = after.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
            return Err(Failed::Again { reason: format!("the server answered {}", reason(response)), after });
        }
        Ok(response)
    }
}

/// Whether it was TLS that found no reason to trust the other side.
fn is_distrust(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => {
            error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some()
        }
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => true,
        _ => false,
    }
}

/// What went wrong with a connection, without the URL.
fn told(error: &ureq::Error) -> String {
    match error {
        _ if is_distrust(error) => format!("no trusted connection: {error}"),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(timeout) => format!("nothing moved for too long ({timeout})"),
        ureq::Error::HostNotFound => "no such host".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "not a URL that can be asked for".to_owned(),
        ureq::Error::Protocol(_) => "an answer that is not HTTP, or was cut off".to_owned(),
        ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => {
            "one redirect after another".to_owned()
        }
        _ => "a request that could not be made".to_owned(),
    }
}

/// The status of an answer that refuses, and the store's own code for why.
pub(super) fn reason(response: Response<Body>) -> String {
    let (parts, body) = response.into_parts();
    let mut bytes = Vec::new();
    // Half of it may hold the code too.
    let _ = body.into_reader().take(MAX_REASON_BYTES).read_to_end(&mut bytes);
    reason_of(parts.status, &bytes)
}

/// As [`reason`], of an answer that was read.
pub(super) fn reason_of(status: StatusCode, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1 << 16)]);
    let code = ["<Code>", "\"code\":", "\"error_code\":"].iter().find_map(|mark| {
        let rest = text.split_once(mark)?.1.trim_start().trim_start_matches('"');
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')?;
        (1..=64).contains(&end).then(|| rest[..end].to_owned())
    });
    match code {
        Some(code) => format!("{status} ({code})"),
        None => status.to_string(),
    }
}

/// The error that a refusal comes to.
pub(super) fn refused(place: &str, status: StatusCode, reason: String) -> StoreError {
    let place = place.to_owned();
    match status.as_u16() {
        401 | 403 | 407 => StoreError::Denied { place, reason },
        404 | 410 => StoreError::NotFound { place },
        _ => StoreError::Answer { place, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_error_the_code_alone_is_told() {
        for (text, wanted) in [
            (
                "<Error><Code>NoSuchBucket</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>",
                "(NoSuchBucket)",
            ),
            (r#"{"errors":[{"code":"UNAUTHORIZED","message":"hunter2"}]}"#, "(UNAUTHORIZED)"),
            (
                r#"{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "hunter2"}"#,
                "(RESOURCE_DOES_NOT_EXIST)",
            ),
            ("<Code>hunter2 hunter2", "(hunter2)"),
            ("<Code></Code>", ""),
            ("hunter2", ""),
        ] {
            let told = reason_of(StatusCode::FORBIDDEN, text.as_bytes());
            assert_eq!(told, format!("403 Forbidden {wanted}").trim_end(), "{text}");
        }
    }
}

//! The HTTP of `object_store`: our client, and what it saw last.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use ureq::http::header::{HeaderValue, IF_NONE_MATCH};
use ureq::http::{Method, Response, Uri};

use crate::store::client::{Ask, Client, Content, reason_of};
use crate::store::error::StoreError;
use crate::store::settings::Patience;
use crate::store::url::is_loopback;

/// Where a virtual machine or container of a cloud asks for its credentials. Elsewhere nobody answers there.
const METADATA: [&str; 4] =
    ["169.254.169.254", "169.254.170.2", "169.254.170.23", "metadata.google.internal"];

/// Sends the requests of `object_store`. Its own errors hold texts of stores, and URLs; so what went wrong is kept here.
#[derive(Clone)]
pub(super) struct Service {
    place: String,
    client: Client,
    metadata: Client,
    /// Whether credentials may travel without TLS to other machines.
    allow_plain: bool,
    /// Whether an upload in parts is completed on the condition that nothing has its name.
    creates: bool,
    seen: Arc<Mutex<Option<StoreError>>>,
}

impl Service {
    pub(super) fn new(place: String, patience: Patience, allow_plain: bool, creates: bool) -> Self {
        let brief = Patience { stall: patience.stall.min(Duration::from_secs(2)), tries: 2, ..patience };
        Self {
            place,
            client: Client::new(patience, 0),
            metadata: Client::direct(brief),
            allow_plain,
            creates,
            seen: Arc::default(),
        }
    }

    /// What went wrong last.
    pub(super) fn take(&self) -> Option<StoreError> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn note(&self, error: StoreError) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn client_for(&self, uri: &Uri) -> Result<(&Client, bool), StoreError> {
        let host = uri.host().unwrap_or_default();
        if METADATA.contains(&host) {
            return Ok((&self.metadata, true));
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if uri.scheme_str() == Some("https") || self.allow_plain || is_loopback(authority) {
            return Ok((&self.client, false));
        }
        let what = "credentials would travel without TLS; say AWS_ALLOW_HTTP=true (GOOGLE_, AZURE_) if that is meant";
        Err(StoreError::Settings { place: self.place.clone(), what: what.to_owned() })
    }

    pub(super) async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, StoreError> {
        let (parts, body) = request.into_parts();
        let collected = body.collect().await;
        let body = collected.map_err(|_| StoreError::Answer {
            place: self.place.clone(),
            reason: "a request that could not be made".to_owned(),
        })?;
        let body = body.to_bytes();
        let (client, is_metadata) = self.client_for(&parts.uri)?;
        let mut headers = parts.headers;
        headers.remove("content-length");
        // `object_store` sets this condition on the last request of a copy and on no other. A signature covers the headers
        // that it lists, so one may be added.
        let completes = parts.method == Method::POST && names_upload(&parts.uri);
        if self.creates && completes {
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        let copies = headers.keys().any(|name| name.as_str().ends_with("-copy-source"));
        let takes = ["PUT", "POST"].contains(&parts.method.as_str());
        let content = if takes || !body.is_empty() { Content::Bytes(&body) } else { Content::Nothing };
        let ask = Ask::new(parts.method, parts.uri.to_string()).headers(headers).content(content);
        let ask = ask.long(completes || copies);
        let unknown = || StoreError::Settings {
            place: self.place.clone(),
            what: "the environment holds no credentials for this store, and this machine's cloud gives none"
                .to_owned(),
        };
        let whole =
            client.whole(&self.place, &ask).map_err(|error| if is_metadata { unknown() } else { error })?;
        if is_metadata && !whole.status.is_success() {
            return Err(unknown());
        }
        if whole.status.is_client_error() || whole.status.is_redirection() {
            let reason = reason_of(whole.status, &whole.bytes);
            self.note(StoreError::Answer { place: self.place.clone(), reason });
        }
        let mut response = Response::new(whole.bytes.into());
        *response.status_mut() = whole.status;
        *response.headers_mut() = whole.headers;
        Ok(response)
    }
}

/// Whether a request is about an upload in parts that has begun.
fn names_upload(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("uploadId=")))
}

/// Its client's requests are signed: nothing of them is told.
impl fmt::Debug for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Service({})", self.place)
    }
}

impl HttpConnector for Service {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Service {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            self.answer(request).await.map_err(|error| {
                self.note(error);
                // Unknown: every try that could help was made.
                HttpError::new(HttpErrorKind::Unknown, std::io::Error::other("see what the service noted"))
            })
        })
    }
}

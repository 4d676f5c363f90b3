//! S3, Google Cloud Storage and Azure Blob Storage, by `object_store`.

mod retention;
mod service;
mod upload;

use std::io::Cursor;
use std::sync::Arc;

use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{
    BackoffConfig, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    RetryConfig,
};
use tokio::runtime::{Builder, Runtime};

use super::error::StoreError;
use super::reading::{Piece, Reading};
use super::settings::{Patience, Settings};
use super::source::Source;
use super::url::{Scheme, Url};
use super::{Creation, Named, Objects};
use crate::moment::Moment;
use service::Service;

/// Bytes of one part, and of one ranged read.
const PART_BYTES: u64 = 8 << 20;
/// Bytes that are read for a glimpse: the manifest comes first in an archive.
const GLIMPSE_BYTES: u64 = 128 << 10;

/// A bucket or container.
#[derive(Clone)]
pub(super) struct Cloud {
    url: Url,
    objects: Arc<dyn ObjectStore>,
    parts: Arc<dyn MultipartStore>,
    /// The same, where it can keep an object.
    s3: Option<(Arc<AmazonS3>, String)>,
    service: Service,
    runtime: Arc<Runtime>,
    patience: Patience,
    uploads: Option<std::path::PathBuf>,
}

impl Cloud {
    pub(super) fn of(url: &Url, settings: &Settings) -> Result<Self, StoreError> {
        let place = url.to_string();
        let prefix = match url.scheme() {
            Scheme::Gs => "GOOGLE_",
            Scheme::Az => "AZURE_",
            _ => "AWS_",
        };
        let allows = |name: &str, value: &str| {
            name.ends_with("_ALLOW_HTTP") && ["true", "1"].contains(&value.to_ascii_lowercase().as_str())
        };
        let allow_plain = settings.beginning(prefix).any(|(name, value)| allows(name, value));
        let is_s3 = url.scheme() == Scheme::S3;
        let service = Service::new(place.clone(), settings.patience, allow_plain, is_s3);
        // One place tries again: the client.
        let once =
            RetryConfig { max_retries: 0, backoff: BackoffConfig::default(), ..RetryConfig::default() };
        let failed = |error: Error| StoreError::Settings { place: place.clone(), what: incomplete(&error) };
        let bucket = url.authority();
        let variables = || settings.beginning(prefix).map(|(name, value)| (name.to_ascii_lowercase(), value));
        let mut s3 = None;
        let (objects, parts): (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>) = match url.scheme() {
            Scheme::Gs => {
                let mut builder = GoogleCloudStorageBuilder::new();
                for (name, value) in variables() {
                    if let Ok(key) = name.parse() {
                        builder = builder.with_config(key, value);
                    }
                }
                let builder = builder.with_bucket_name(bucket).with_retry(once);
                let store = Arc::new(builder.with_http_connector(service.clone()).build().map_err(failed)?);
                (store.clone(), store)
            }
            Scheme::Az => {
                let mut builder = MicrosoftAzureBuilder::new();
                for (name, value) in variables() {
                    if let Ok(key) = name.parse() {
                        builder = builder.with_config(key, value);
                    }
                }
                let builder = builder.with_container_name(bucket).with_retry(once).with_allow_http(true);
                let store = Arc::new(builder.with_http_connector(service.clone()).build().map_err(failed)?);
                (store.clone(), store)
            }
            _ => {
                let mut builder = AmazonS3Builder::new();
                for (name, value) in variables() {
                    if let Ok(key) = name.parse() {
                        builder = builder.with_config(key, value);
                    }
                }
                let mut region = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter();
                let region = region.find_map(|name| settings.variable(name)).unwrap_or("us-east-1");
                let builder = builder
                    .with_bucket_name(bucket)
                    .with_region(region)
                    .with_retry(once)
                    .with_allow_http(true)
                    .with_checksum_algorithm(Checksum::SHA256)
                    .with_conditional_put(S3ConditionalPut::ETagMatch);
                let store = Arc::new(builder.with_http_connector(service.clone()).build().map_err(failed)?);
                s3 = Some((store.clone(), region.to_owned()));
                (store.clone(), store)
            }
        };
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|source| StoreError::Local { path: ".".into(), source })?;
        Ok(Self {
            url: url.clone(),
            objects,
            parts,
            s3,
            service,
            runtime: Arc::new(runtime),
            patience: settings.patience,
            uploads: settings.uploads.clone(),
        })
    }

    /// The key of a name in the folder.
    fn key(&self, name: &str) -> Result<Path, StoreError> {
        let folder = self.url.folder();
        let text = [folder, name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        Path::parse(&text).map_err(|_| StoreError::Unsupported {
            place: self.url.place(name),
            what: "not a name that every store can hold".to_owned(),
        })
    }

    /// What an error comes to: what the service noted, by what `object_store` made of it.
    fn failed(&self, name: &str, error: &Error) -> StoreError {
        let place = self.url.place(name);
        let noted = self.service.take();
        let reason = |fallback: &str| match &noted {
            Some(StoreError::Answer { reason, .. }) => reason.clone(),
            _ => fallback.to_owned(),
        };
        match error {
            Error::NotFound { .. } => StoreError::NotFound { place },
            Error::AlreadyExists { .. } | Error::Precondition { .. } => StoreError::Taken { place },
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                StoreError::Denied { place, reason: reason("no further word") }
            }
            _ => noted.unwrap_or_else(|| {
                let reason = "with something that cannot be understood".to_owned();
                StoreError::Answer { place, reason }
            }),
        }
    }

    /// As [`Self::failed`], of something that was to be made: what is missing then is the bucket.
    fn unmade(&self, name: &str, error: &Error) -> StoreError {
        let place = self.url.place(name);
        match (error, self.service.take()) {
            (Error::NotFound { .. }, Some(StoreError::Answer { reason, .. })) => {
                StoreError::Answer { place, reason }
            }
            (_, noted) => {
                if let Some(noted) = noted {
                    self.service.note(noted);
                }
                self.failed(name, error)
            }
        }
    }

    fn put_whole(&self, name: &str, key: &Path, bytes: Vec<u8>) -> Result<Creation, StoreError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.runtime.block_on(self.objects.put_opts(key, bytes.into(), options)) {
            Ok(_) => Ok(Creation::Created),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                drop(self.service.take());
                Ok(Creation::Taken)
            }
            Err(error) => Err(self.unmade(name, &error)),
        }
    }
}

impl Objects for Cloud {
    fn names(&self) -> Result<Vec<Named>, StoreError> {
        let prefix = if self.url.folder().is_empty() { None } else { Some(self.key("")?) };
        let listed = self.runtime.block_on(self.objects.list_with_delimiter(prefix.as_ref()));
        let listed = listed.map_err(|error| self.failed("", &error))?;
        let named = listed.objects.into_iter().filter_map(|object| {
            let name = object.location.filename()?.to_owned();
            Some(Named { name, size_bytes: Some(object.size) })
        });
        Ok(named.collect())
    }

    fn create(&self, name: &str, source: &Source) -> Result<Creation, StoreError> {
        let key = self.key(name)?;
        // Not every store that speaks these protocols keeps to the condition; none is asked to where an object is.
        match self.runtime.block_on(self.objects.head(&key)) {
            Ok(_) => return Ok(Creation::Taken),
            // Who may read and write but not list is told of nothing that it is not there.
            Err(Error::NotFound { .. } | Error::PermissionDenied { .. }) => drop(self.service.take()),
            Err(error) => return Err(self.failed(name, &error)),
        }
        if source.size_bytes <= PART_BYTES {
            return self.put_whole(name, &key, source.piece(0, source.size_bytes)?);
        }
        self.upload(name, &key, source)
    }

    fn open(&self, name: &str, glimpse: bool) -> Result<Reading, StoreError> {
        let key = self.key(name)?;
        let (cloud, name) = (self.clone(), name.to_owned());
        let place = self.url.place(&name);
        let mut version: Option<String> = None;
        let fetch = move |at: u64| {
            let count = if glimpse { GLIMPSE_BYTES } else { PART_BYTES };
            let options = GetOptions {
                range: Some(GetRange::Bounded(at..at + count)),
                if_match: version.clone(),
                ..GetOptions::default()
            };
            let get = async {
                let result = cloud.objects.get_opts(&key, options).await?;
                let meta = result.meta.clone();
                Ok((meta, result.bytes().await?))
            };
            let (meta, bytes) = cloud.runtime.block_on(get).map_err(|error| match error {
                Error::Precondition { .. } => StoreError::Changed { place: cloud.url.place(&name) },
                error => cloud.failed(&name, &error),
            })?;
            version.clone_from(&meta.e_tag);
            Ok(Piece {
                bytes: Box::new(Cursor::new(bytes)),
                size_bytes: Some(meta.size),
                version: meta.e_tag,
            })
        };
        Reading::open(&place, self.patience, Box::new(fetch))
    }

    fn retains(&self) -> bool {
        self.s3.is_some()
    }

    fn retain(&self, name: &str, until: &Moment) -> Result<(), StoreError> {
        retention::retain(self, name, until)
    }
}

/// What an error says that came before any request: only of variables and names, since no store has answered yet.
fn incomplete(error: &Error) -> String {
    let mut text = match error {
        Error::Generic { source, .. } => source.to_string(),
        _ => "the environment does not say what this store needs".to_owned(),
    };
    if let Some(end) = text.find(['\n', '<']) {
        text.truncate(end);
    }
    text
}

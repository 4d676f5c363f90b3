//! Where archives go: folders, object stores, web servers, registries and the artifacts of `MLflow` runs. And a
//! time-stamping authority, which is asked over the same client.
//!
//! Three things hold in each of them. A name is given once: other bytes under it are refused, the same bytes again are
//! fine. What was sent is read back and its digest compared, whatever the store says of it. And what is read is the
//! bytes of one object, or an error; what they mean is for [`crate::pack`] to judge.
//!
//! Credentials come from [`Settings`], which the caller fills from the environment; no URL holds one, and no error tells
//! more of an answer than its status and a short code. The rest of `bp` opens no socket.

mod authority;
mod client;
mod cloud;
mod error;
mod file;
mod mlflow;
mod oci;
mod reading;
mod settings;
mod source;
mod url;
mod web;

pub use authority::AuthorityUrl;
pub use error::StoreError;
pub use reading::{Failure, Reading};
pub use settings::{Patience, Settings};
pub use source::{Source, Watch, Watched};
pub use url::{Scheme, Url, UrlError, stem};

use crate::digest::Digest;
use crate::moment::Moment;

/// Something in a store, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Within the folder, without slashes.
    pub name: String,
    /// Its length, where the store says it.
    pub size_bytes: Option<u64>,
}

/// What came of creating an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Creation {
    Created,
    /// Something of that name is there; it was left as it is.
    Taken,
}

/// A store of named objects in folders.
trait Objects: Send + Sync {
    /// What lies directly in the folder.
    fn names(&self) -> Result<Vec<Named>, StoreError>;

    /// Gives a name to bytes, all of them at once, unless it is taken.
    fn create(&self, name: &str, source: &Source) -> Result<Creation, StoreError>;

    /// The bytes of an object; for a `glimpse`, few of them will be read.
    fn open(&self, name: &str, glimpse: bool) -> Result<Reading, StoreError>;

    /// Whether [`Self::retain`] can do anything.
    fn retains(&self) -> bool {
        false
    }

    /// Keeps an object from being deleted or replaced by anyone until then.
    fn retain(&self, name: &str, _until: &Moment) -> Result<(), StoreError> {
        let what = "this kind of store has no retention that could be set for one object".to_owned();
        Err(StoreError::Unsupported { place: name.to_owned(), what })
    }
}

/// What is pushed: an archive, and what is said of it beside it.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The archive.
    pub archive: Source,
    /// Its media type.
    pub media_type: &'static str,
    /// What a file of it is called.
    pub file_name: String,
    /// The manifest of the pack in it.
    pub manifest: Vec<u8>,
    /// The signed statement about it, and what its name has that the archive's has not.
    pub statement: Option<(&'static str, Source)>,
}

/// What is looked at of an archive to tell what its pack says.
pub enum Glimpse {
    /// The manifest itself, and the length of the archive.
    Manifest(Vec<u8>, u64),
    /// The archive, whose first entry it is.
    Archive(Reading),
}

/// What a push came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Where the archive is.
    pub place: String,
    /// Whether it was there already, byte for byte.
    pub was_there: bool,
}

/// A store that is open.
pub struct Store {
    url: Url,
    kind: Kind,
}

enum Kind {
    Objects(Box<dyn Objects>),
    Registry(Box<oci::Registry>),
}

impl Store {
    /// Opens a store; of most kinds, nothing is asked of it yet.
    ///
    /// # Errors
    /// [`StoreError`] where the environment does not say what is needed.
    pub fn open(url: &Url, settings: &Settings) -> Result<Self, StoreError> {
        let kind = match url.scheme() {
            Scheme::File => Kind::Objects(Box::new(file::Folder::of(url)?)),
            Scheme::Http | Scheme::Https => Kind::Objects(Box::new(web::Web::of(url, settings))),
            Scheme::S3 | Scheme::Gs | Scheme::Az => Kind::Objects(Box::new(cloud::Cloud::of(url, settings)?)),
            Scheme::Mlflow => Kind::Objects(Box::new(mlflow::Run::of(url, settings)?)),
            Scheme::Oci => Kind::Registry(Box::new(oci::Registry::of(url, settings)?)),
        };
        Ok(Self { url: url.clone(), kind })
    }

    /// What lies in the folder that the URL names, and is named as archives are; of a registry, the tags.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn archives(&self) -> Result<Vec<Named>, StoreError> {
        let mut names = match &self.kind {
            Kind::Objects(objects) => {
                let mut names = objects.names()?;
                names.retain(|named| stem(&named.name).is_some() && !named.name.starts_with('.'));
                names
            }
            Kind::Registry(registry) => registry.tags()?,
        };
        names.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(names)
    }

    /// The bytes of an archive.
    ///
    /// # Errors
    /// [`StoreError`] when it is not there, or cannot be read.
    pub fn read(&self, name: &str) -> Result<Reading, StoreError> {
        match &self.kind {
            Kind::Objects(objects) => objects.open(name, false),
            Kind::Registry(registry) => registry.open(name),
        }
    }

    /// As much of an archive as tells what its pack says.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn glimpse(&self, name: &str) -> Result<Glimpse, StoreError> {
        match &self.kind {
            Kind::Objects(objects) => objects.open(name, true).map(Glimpse::Archive),
            Kind::Registry(registry) => {
                registry.glimpse(name).map(|(bytes, size)| Glimpse::Manifest(bytes, size))
            }
        }
    }

    /// Puts an archive under a name, and its statement beside it. Each is read back and compared. `until` keeps both
    /// from being deleted or replaced before that time, by a store that can do so.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when other bytes have the name, [`StoreError::Differs`] when others come back, or another.
    pub fn push(&self, name: &str, parcel: &Parcel, until: Option<&Moment>) -> Result<Pushed, StoreError> {
        let place = self.url.place(name);
        let objects = match &self.kind {
            Kind::Objects(objects) if until.is_none() || objects.retains() => objects,
            Kind::Registry(registry) if until.is_none() => {
                let was_there = registry.push(name, parcel)?;
                compare(registry.open(name)?, &place, &parcel.archive)?;
                return Ok(Pushed { place, was_there });
            }
            _ => {
                let what =
                    "this store keeps no object for a time that is set with it; let its owner set a rule";
                return Err(StoreError::Unsupported { place, what: what.to_owned() });
            }
        };
        let was_there = self.put(objects.as_ref(), name, &parcel.archive)?;
        let mut names = vec![name.to_owned()];
        if let Some((ending, statement)) = &parcel.statement {
            let beside = format!("{name}{ending}");
            self.put(objects.as_ref(), &beside, statement)?;
            names.push(beside);
        }
        if let Some(until) = until {
            names.iter().try_for_each(|name| objects.retain(name, until))?;
        }
        Ok(Pushed { place, was_there })
    }

    /// Whether it was there already.
    fn put(&self, objects: &dyn Objects, name: &str, source: &Source) -> Result<bool, StoreError> {
        let place = self.url.place(name);
        let creation = objects.create(name, source)?;
        match compare(objects.open(name, false)?, &place, source) {
            Err(StoreError::Differs { place, .. }) if creation == Creation::Taken => {
                Err(StoreError::Taken { place })
            }
            compared => compared.map(|()| creation == Creation::Taken),
        }
    }
}

/// Reads back what stands under a name, and holds it against what was sent.
fn compare(reading: Reading, place: &str, source: &Source) -> Result<(), StoreError> {
    let failure = reading.failure();
    let read = Digest::of_reader(&mut source.watch.on(reading));
    let (found, found_bytes) = read.map_err(|error| {
        let local = |source| StoreError::Local { path: place.into(), source };
        failure.take().unwrap_or_else(|| local(error))
    })?;
    if (found, found_bytes) == (source.sha256, source.size_bytes) {
        return Ok(());
    }
    Err(StoreError::Differs {
        place: place.to_owned(),
        sent: source.sha256,
        sent_bytes: source.size_bytes,
        found,
        found_bytes,
    })
}

/// Text as a part of a path or a value of a query (RFC 3986).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = std::fmt::Write::write_fmt(&mut escaped, format_args!("%{byte:02X}"));
        }
    }
    escaped
}

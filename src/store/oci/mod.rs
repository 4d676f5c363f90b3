//! A registry as a store, by the OCI distribution specification: a pack is an artifact whose config is the manifest and
//! whose one layer is the archive. The statement about the archive refers to it, by the referrers API or, where the
//! registry has none, by the tag that the specification falls back to.
//!
//! A registry has no conditional put of a tag. A tag that is there is never written; one that two push at once is read
//! again, and whoever is not in it is told so.

mod access;

use std::sync::Mutex;

use serde_json::{Value, json};
use ureq::http::header::{LINK, LOCATION};
use ureq::http::{Method, StatusCode};

use super::client::{Ask, Client, Content, Whole, parsed};
use super::error::StoreError;
use super::reading::Reading;
use super::settings::Settings;
use super::source::Source;
use super::url::Url;
use super::{Named, Parcel, web};
use crate::digest::Digest;
use access::Access;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The type of the artifact, of its config, and of what refers to it.
const PACK: &str = "application/vnd.bp.pack.v1";
const MANIFEST: &str = "application/vnd.bp.pack.manifest.v1+json";
const STATEMENT: &str = "application/vnd.dsse.envelope.v1+json";
/// Pages of tags that are read.
const MAX_PAGES: usize = 100;

/// A repository of a registry.
pub(super) struct Registry {
    url: Url,
    /// `https://HOST/v2/REPOSITORY`
    base: String,
    client: Client,
    access: Access,
    /// What shows who asks, once the registry has said how.
    authorization: Mutex<Option<String>>,
}

/// A part of an artifact, as its manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Descriptor {
    media_type: String,
    digest: Digest,
    size_bytes: u64,
}

/// A pack in a registry.
struct Artifact {
    config: Descriptor,
    layer: Descriptor,
}

impl Registry {
    pub(super) fn of(url: &Url, settings: &Settings) -> Result<Self, StoreError> {
        // As other programs do: a registry on this machine needs no TLS, any other does.
        let scheme = if url.is_loopback() { "http" } else { "https" };
        let host = if url.is_docker_hub() { "registry-1.docker.io" } else { url.authority() };
        Ok(Self {
            url: url.clone(),
            base: format!("{scheme}://{host}/v2/{}", url.folder()),
            client: Client::new(settings.patience, 5),
            access: Access::of(url, settings)?,
            authorization: Mutex::default(),
        })
    }

    /// Tags of the repository, but those that stand for referrers.
    pub(super) fn tags(&self) -> Result<Vec<Named>, StoreError> {
        let place = self.url.to_string();
        let mut next = Some(format!("{}/tags/list?n=1000", self.base));
        let mut names = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(uri) = next.take() else { return Ok(names) };
            let page = self.asked(&place, &|| Ask::get(uri.clone()))?;
            let page = page.fine(&place)?;
            let document = page.document(&place)?;
            let tags = document["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let tags = tags.filter(|tag| fallback_of(tag).is_none());
            names.extend(tags.map(|tag| Named { name: tag.to_owned(), size_bytes: None }));
            let link = page.headers.get(LINK).and_then(|link| link.to_str().ok());
            let link = link.and_then(|link| link.strip_prefix('<')?.split_once('>')).map(|(link, _)| link);
            next = link.map(|link| self.resolved(link));
        }
        Err(StoreError::Answer { place, reason: "with more pages of tags than are read".to_owned() })
    }

    /// The manifest of the pack under a tag or digest, and how long its archive is.
    pub(super) fn glimpse(&self, reference: &str) -> Result<(Vec<u8>, u64), StoreError> {
        let place = self.url.place(reference);
        let artifact = self.artifact(reference)?;
        let bytes = self.blob(&place, &artifact.config)?;
        Ok((bytes, artifact.layer.size_bytes))
    }

    /// The archive under a tag or digest.
    pub(super) fn open(&self, reference: &str) -> Result<Reading, StoreError> {
        let place = self.url.place(reference);
        let layer = self.artifact(reference)?.layer;
        let authorization = self.authorization.lock().expect("no one panics here").clone();
        let reading = web::streamed(&self.client, &place, &self.blob_uri(&layer.digest), authorization)?;
        match reading.size_bytes() {
            Some(size) if size != layer.size_bytes => Err(StoreError::Changed { place }),
            _ => Ok(reading),
        }
    }

    /// Puts a pack under a tag. Answers whether it was there already.
    pub(super) fn push(&self, tag: &str, parcel: &Parcel) -> Result<bool, StoreError> {
        let place = self.url.place(tag);
        let config = Descriptor {
            media_type: MANIFEST.to_owned(),
            digest: Digest::of(&parcel.manifest),
            size_bytes: parcel.manifest.len() as u64,
        };
        let Source { size_bytes, sha256: digest, .. } = parcel.archive;
        let layer = Descriptor { media_type: parcel.media_type.to_owned(), digest, size_bytes };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "artifactType": PACK,
            "config": config.json(),
            "layers": [annotated(&layer, &parcel.file_name)],
        });
        let manifest = manifest.to_string().into_bytes();
        let ours = Digest::of(&manifest);
        let there = self.manifest(tag)?;
        match &there {
            Some(there) if Digest::of(there) != ours => return Err(StoreError::Taken { place }),
            _ => {}
        }
        self.put_blob(&place, &config.digest, Content::Bytes(&parcel.manifest))?;
        self.put_blob(&place, &layer.digest, Content::File(&parcel.archive))?;
        if there.is_none() {
            self.put_manifest(&place, tag, IMAGE, &manifest)?;
            match self.manifest(tag)? {
                Some(there) if Digest::of(&there) == ours => {}
                _ => return Err(StoreError::Taken { place }),
            }
        }
        if let Some((ending, statement)) = &parcel.statement {
            let subject =
                Descriptor { media_type: IMAGE.to_owned(), digest: ours, size_bytes: manifest.len() as u64 };
            self.refer(&place, &subject, statement, &format!("{}{ending}", parcel.file_name))?;
        }
        Ok(there.is_some())
    }

    /// Puts a statement beside the artifact that it is about.
    fn refer(
        &self,
        place: &str,
        subject: &Descriptor,
        statement: &Source,
        name: &str,
    ) -> Result<(), StoreError> {
        let empty = b"{}".as_slice();
        let config = Descriptor { media_type: EMPTY.to_owned(), digest: Digest::of(empty), size_bytes: 2 };
        let Source { size_bytes, sha256: digest, .. } = *statement;
        let layer = Descriptor { media_type: STATEMENT.to_owned(), digest, size_bytes };
        let referrer = json!({
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "artifactType": STATEMENT,
            "config": config.json(),
            "layers": [annotated(&layer, name)],
            "subject": subject.json(),
        });
        let referrer = referrer.to_string().into_bytes();
        let digest = Digest::of(&referrer);
        self.put_blob(place, &config.digest, Content::Bytes(empty))?;
        self.put_blob(place, &layer.digest, Content::File(statement))?;
        let answer = self.put_manifest(place, &digest.prefixed(), IMAGE, &referrer)?;
        if answer.headers.contains_key("oci-subject") {
            return Ok(());
        }
        // The registry has no referrers API: an index under the subject's digest as a tag lists who refers to it.
        let tag = format!("sha256-{}", subject.digest);
        let mut listed = match self.manifest(&tag)? {
            Some(bytes) => parsed(place, &bytes)?["manifests"].as_array().cloned().unwrap_or_default(),
            None => Vec::new(),
        };
        if listed.iter().any(|entry| entry["digest"] == digest.prefixed()) {
            return Ok(());
        }
        let entry = Descriptor { media_type: IMAGE.to_owned(), digest, size_bytes: referrer.len() as u64 };
        let mut entry = entry.json();
        entry["artifactType"] = STATEMENT.into();
        listed.push(entry);
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": listed });
        self.put_manifest(place, &tag, INDEX, index.to_string().as_bytes())?;
        Ok(())
    }

    fn artifact(&self, reference: &str) -> Result<Artifact, StoreError> {
        let place = self.url.place(reference);
        let bytes = self.manifest(reference)?.ok_or_else(|| StoreError::NotFound { place: place.clone() })?;
        let named = reference.strip_prefix("sha256:").map(|digest| digest.parse::<Digest>().ok());
        if named.is_some_and(|named| named != Some(Digest::of(&bytes))) {
            return Err(StoreError::Answer {
                place,
                reason: "with another manifest than was asked for".to_owned(),
            });
        }
        let document = parsed(&place, &bytes)?;
        let no_pack =
            || StoreError::Unsupported { place: place.clone(), what: "not a pack of bp".to_owned() };
        let layers = document["layers"].as_array().map(Vec::as_slice);
        let (Some([layer]), Some(config)) = (layers, Descriptor::of(&document["config"])) else {
            return Err(no_pack());
        };
        let layer = Descriptor::of(layer).ok_or_else(no_pack)?;
        if config.media_type == MANIFEST { Ok(Artifact { config, layer }) } else { Err(no_pack()) }
    }

    /// The manifest under a tag or digest; none where there is none.
    fn manifest(&self, reference: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let place = self.url.place(reference);
        let uri = format!("{}/manifests/{reference}", self.base);
        let accept = format!("{IMAGE}, {INDEX}");
        let whole = self.asked(&place, &|| Ask::get(uri.clone()).header("accept", &accept))?;
        if whole.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(whole.fine(&place)?.bytes))
    }

    fn put_manifest(
        &self,
        place: &str,
        reference: &str,
        kind: &str,
        bytes: &[u8],
    ) -> Result<Whole, StoreError> {
        let uri = format!("{}/manifests/{reference}", self.base);
        let ask = || {
            let ask = Ask::new(Method::PUT, uri.clone()).header("content-type", kind);
            ask.content(Content::Bytes(bytes))
        };
        let whole = self.asked(place, &ask)?;
        whole.fine(place)
    }

    fn blob_uri(&self, digest: &Digest) -> String {
        format!("{}/blobs/{}", self.base, digest.prefixed())
    }

    /// A small blob, held against its digest.
    fn blob(&self, place: &str, of: &Descriptor) -> Result<Vec<u8>, StoreError> {
        let whole = self.asked(place, &|| Ask::get(self.blob_uri(&of.digest)))?;
        let bytes = whole.fine(place)?.bytes;
        if Digest::of(&bytes) != of.digest {
            let reason = "with another blob than was asked for".to_owned();
            return Err(StoreError::Answer { place: place.to_owned(), reason });
        }
        Ok(bytes)
    }

    /// Puts a blob, unless the registry has it. The registry holds it against the digest.
    fn put_blob(&self, place: &str, digest: &Digest, content: Content<'_>) -> Result<(), StoreError> {
        let there = self.asked(place, &|| Ask::new(Method::HEAD, self.blob_uri(digest)))?;
        if there.status.is_success() {
            return Ok(());
        }
        let patience = self.client.patience;
        let mut tries = 1;
        loop {
            // What an upload has taken before it broke off is the registry's to say: each try begins one of its own.
            let opening = || {
                let ask = Ask::new(Method::POST, format!("{}/blobs/uploads/", self.base));
                ask.content(Content::Bytes(b""))
            };
            let begun = self.asked(place, &opening)?;
            let begun = begun.fine(place)?;
            let location = begun.headers.get(LOCATION).and_then(|location| location.to_str().ok());
            let location = location.ok_or_else(|| StoreError::Answer {
                place: place.to_owned(),
                reason: format!("{} without a place to upload to", begun.status),
            })?;
            let mut uri = self.resolved(location);
            uri.push(if uri.contains('?') { '&' } else { '?' });
            uri.push_str("digest=");
            uri.push_str(&digest.prefixed());
            let ask = || {
                let ask =
                    Ask::new(Method::PUT, uri.clone()).header("content-type", "application/octet-stream");
                ask.content(content)
            };
            match self.asked_once(place, &ask) {
                Ok(whole) => return whole.fine(place).map(drop),
                Err(StoreError::Unreachable { .. }) if tries < patience.tries => {
                    std::thread::sleep(patience.after(tries, None));
                    tries += 1;
                }
                Err(StoreError::Unreachable { place, reason, .. }) => {
                    return Err(StoreError::Unreachable { place, reason, tries });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks, and shows who asks if the registry wants to know.
    fn asked<'a>(&self, place: &str, ask: &dyn Fn() -> Ask<'a>) -> Result<Whole, StoreError> {
        self.asked_by(&self.client, place, ask)
    }

    fn asked_once<'a>(&self, place: &str, ask: &dyn Fn() -> Ask<'a>) -> Result<Whole, StoreError> {
        self.asked_by(&self.client.once_only(), place, ask)
    }

    fn asked_by<'a>(
        &self,
        client: &Client,
        place: &str,
        ask: &dyn Fn() -> Ask<'a>,
    ) -> Result<Whole, StoreError> {
        let known = self.authorization.lock().expect("no one panics here").clone();
        let whole = self.ours(client, place, ask(), known.as_deref())?;
        if whole.status != StatusCode::UNAUTHORIZED {
            return Ok(whole);
        }
        let answer = self.access.answer(&self.client, place, &whole.headers)?;
        let Some(answer) = answer else { return Ok(whole) };
        let asked = self.ours(client, place, ask(), Some(&answer));
        *self.authorization.lock().expect("no one panics here") = Some(answer);
        asked
    }

    /// What shows who asks goes to the registry alone, wherever it sends uploads.
    fn ours(
        &self,
        client: &Client,
        place: &str,
        ask: Ask<'_>,
        who: Option<&str>,
    ) -> Result<Whole, StoreError> {
        let own = self.base.split("/v2/").next().unwrap_or_default();
        let is_own = ask.uri().strip_prefix(own).is_some_and(|rest| rest.starts_with('/'));
        client.whole(place, &ask.authorization(who.filter(|_| is_own)))
    }

    /// An absolute URL, of one that may lack the host.
    fn resolved(&self, location: &str) -> String {
        if location.starts_with('/') {
            let own = self.base.split("/v2/").next().unwrap_or_default();
            return format!("{own}{location}");
        }
        location.to_owned()
    }
}

impl Descriptor {
    fn json(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest.prefixed(), "size": self.size_bytes })
    }

    fn of(value: &Value) -> Option<Self> {
        Some(Self {
            media_type: value["mediaType"].as_str()?.to_owned(),
            digest: value["digest"].as_str()?.strip_prefix("sha256:")?.parse().ok()?,
            size_bytes: value["size"].as_u64()?,
        })
    }
}

/// A layer that programs write under a name.
fn annotated(layer: &Descriptor, name: &str) -> Value {
    let mut value = layer.json();
    value["annotations"] = json!({ "org.opencontainers.image.title": name });
    value
}

/// The digest that a tag stands for, of those that list referrers.
fn fallback_of(tag: &str) -> Option<Digest> {
    tag.strip_prefix("sha256-")?.parse().ok()
}

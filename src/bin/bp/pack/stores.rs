//! `pack push` and `pack pull`, and archives of stores where `pack verify` and `pack run` name them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bp::error::{self, Failure};
use bp::pack::archive::{self, Codec, Written, statement};
use bp::pack::check::{self, Limits, Options};
use bp::pack::{Moment, VerifyResult};
use bp::store::{Parcel, Pushed, Scheme, Settings, Source, Store, Url, Watch, stem};
use bp::trust::key::SigningKey;
use jiff::ToSpan as _;
use serde_json::json;

use super::archive::{self as archives, codec};
use super::docker;
use crate::cli::{PackPull, PackPush, Retention, Trusting};
use crate::failure::Coded;
use crate::output::Output;
use crate::{Run, clock, source, trust, trusting};

/// How long Article 18 of the EU AI Act has technical documentation kept.
const ANNEX_IV_YEARS: i64 = 10;

/// The URL that a name is meant as, if it is meant as one.
pub(super) fn url(name: &Path) -> Option<Result<Url, Failure>> {
    let text = name.to_str().filter(|text| Url::is_meant(text))?;
    Some(parsed(text))
}

fn parsed(text: &str) -> Result<Url, Failure> {
    text.parse().map_err(|error| Failure::of(&error::STORE_URL_INVALID, &error))
}

/// What the environment says of a store. Of registries, Docker's own configuration does.
pub(super) fn settings(url: &Url) -> Result<Settings, Failure> {
    let kept = if url.scheme() == Scheme::Oci { docker::configuration(url)? } else { None };
    let kept = kept.map(|text| ("DOCKER_AUTH_CONFIG".to_owned(), text));
    let mut settings = Settings::new(source::variables().chain(kept));
    settings.uploads = source::home().ok().map(|home| home.join("uploads"));
    Ok(settings)
}

/// A store into which a pack is to go.
pub(super) struct Target {
    url: Url,
    store: Store,
}

impl Target {
    /// Opens it, so that what is missing is said before a pack is made.
    pub(super) fn open(url: &str) -> Result<Self, Failure> {
        let url = parsed(url)?;
        let store = Store::open(&url, &settings(&url)?).map_err(Coded::failure)?;
        Ok(Self { url, store })
    }

    /// Stores a pack: a folder as an archive, with a statement signed by the key.
    pub(super) fn push(
        &self,
        pack: &Path,
        key: Option<&SigningKey>,
        until: Option<&Moment>,
        output: &Output,
    ) -> Result<Pushed, Failure> {
        let folder = pack.canonicalize().map_err(|error| source::failure(pack, &error))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let scratch = tempfile::tempdir().map_err(|error| source::failure(pack, &error))?;
        let file_name = match self.url.archive().filter(|_| self.url.scheme() != Scheme::Oci) {
            Some(archive) => archive.to_owned(),
            None => format!("{name}.tar.gz"),
        };
        let file = scratch.path().join(&file_name);
        let codec = codec(&file)?;
        let packing = output.progress("packing", None);
        let written = archive::create(pack, &file, codec, &Limits::default());
        let written = written.map_err(Coded::failure)?;
        drop(packing);
        let Written { size_bytes, sha256, .. } = written;
        let statement = key.map(|key| -> Result<PathBuf, Failure> {
            let envelope = statement::sign(&file_name, codec, &written, key);
            let beside = scratch.path().join("statement");
            let bytes = envelope.map_err(Coded::failure)?.to_bytes();
            source::create(&beside, &bytes)?;
            Ok(beside)
        });
        let statement = statement.transpose()?;
        let archive = Source::known(&file, size_bytes, sha256);
        self.send(&name, archive, codec, file_name, statement.as_deref(), until, output)
    }

    /// Stores an archive, with the statement that lies beside it.
    fn push_archive(&self, file: &Path, until: Option<&Moment>, output: &Output) -> Result<Pushed, Failure> {
        let codec = codec(file)?;
        let own = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(wanted) = self.url.archive().filter(|_| self.url.scheme() != Scheme::Oci)
            && Codec::of_name(Path::new(wanted)) != Some(codec)
        {
            let message = format!("{wanted}: the name says another compression than {own}");
            return Err(Failure::new(&error::INVALID_FLAG, message));
        }
        let checking = output.progress("checking", None);
        let opened = File::open(file).map_err(|error| source::failure(file, &error))?;
        let result = check::archive(opened, &trusting::options(&Trusting::default())?);
        drop(checking);
        if let Some(first) = result.findings.first() {
            let message = format!("{}: {} {}", file.display(), first.law.code, first.path);
            return Err(Failure::new(&error::PACK_REFUSED, message));
        }
        let archive = Source::of(file).map_err(Coded::failure)?;
        let beside = file.with_file_name(format!("{own}{}", statement::BESIDE));
        let beside = beside.symlink_metadata().is_ok().then_some(beside);
        let name = stem(&own).unwrap_or(&own).to_owned();
        self.send(&name, archive, codec, own, beside.as_deref(), until, output)
    }

    #[expect(clippy::too_many_arguments, reason = "what a parcel is made of")]
    fn send(
        &self,
        name: &str,
        archive: Source,
        codec: Codec,
        file_name: String,
        statement: Option<&Path>,
        until: Option<&Moment>,
        output: &Output,
    ) -> Result<Pushed, Failure> {
        let there = match (self.url.archive(), self.url.scheme()) {
            (Some(digest), Scheme::Oci) if digest.starts_with("sha256:") => {
                let message = "a digest is no name that could be given: name a tag";
                return Err(Failure::new(&error::STORE_URL_INVALID, message));
            }
            (Some(archive), _) => archive.to_owned(),
            (None, Scheme::Oci) => name.to_owned(),
            (None, _) => file_name.clone(),
        };
        // There, and back to be compared.
        let progress = output.transfer("storing", Some(archive.size_bytes.saturating_mul(2)));
        let opened = archive.open().map_err(Coded::failure)?;
        let manifest =
            archive::manifest(opened).map_err(|error| Failure::of(&error::PACK_UNREADABLE, &error))?;
        let statement = statement.map(Source::of).transpose().map_err(Coded::failure)?;
        let statement = statement.map(|statement| (statement::BESIDE, statement));
        let archive = archive.watched(Watch::new(progress.counter()));
        let parcel = Parcel { archive, media_type: codec.media_type(), file_name, manifest, statement };
        self.store.push(&there, &parcel, until).map_err(Coded::failure)
    }
}

pub(super) fn push(arguments: &PackPush, output: &Output) -> Run {
    let until = until(arguments)?;
    let target = Target::open(&arguments.url)?;
    let pushed = if arguments.pack.is_dir() {
        let key = if arguments.unsigned { None } else { trust::present_key(arguments.key.as_deref())? };
        target.push(&arguments.pack, key.as_ref(), until.as_ref(), output)?
    } else {
        target.push_archive(&arguments.pack, until.as_ref(), output)?
    };
    let Pushed { place, was_there } = &pushed;
    if output.json {
        let until = until.map(|until| until.to_string());
        output.envelope(&json!({
            "ok": true, "place": place, "was_there": was_there, "retained_until": until,
        }))?;
        return Ok(0);
    }
    let how = if *was_there { "there already, byte for byte" } else { "stored, read back, and equal" };
    let kept = until.map(|until| format!("\n  kept until {until} by the store")).unwrap_or_default();
    output.say(&format!(
        "  {how}{kept}\n  check it with\n    bp pack verify --strict {}",
        source::word(Path::new(place))
    ));
    output.data(format!("{place}\n").as_bytes())?;
    Ok(0)
}

/// Until when the store is to keep it.
fn until(arguments: &PackPush) -> Result<Option<Moment>, Failure> {
    let now = clock::now()?;
    if let Some(text) = &arguments.retain_until {
        let until: Option<Moment> = text.parse().ok().filter(|until| *until > now);
        return until.map(Some).ok_or_else(|| {
            Failure::new(
                &error::INVALID_TIME,
                format!("{text:?} is not an RFC 3339 time in UTC that is to come"),
            )
        });
    }
    let Some(Retention::AnnexIv) = arguments.retention else { return Ok(None) };
    let zoned = now.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
    let later = zoned.checked_add(ANNEX_IV_YEARS.years()).ok();
    let later = later.and_then(|later| Moment::from_unix_seconds(later.timestamp().as_second()));
    later.map(Some).ok_or_else(|| Failure::new(&error::INVALID_TIME, "the clock stands at the end of time"))
}

/// The archive that a URL names, streaming.
fn reading(url: &Url) -> Result<bp::store::Reading, Failure> {
    let Some(name) = url.archive() else {
        let message = format!("{url}: names a folder; `bp pack list {url}` tells which archives are in it");
        return Err(Failure::new(&error::STORE_URL_INVALID, message));
    };
    let store = Store::open(url, &settings(url)?).map_err(Coded::failure)?;
    store.read(name).map_err(Coded::failure)
}

/// Checks an archive where it is stored. A stream that breaks off is no finding about the pack.
pub(super) fn check(url: &Url, options: &Options) -> Result<VerifyResult, Failure> {
    let reading = reading(url)?;
    let broken = reading.failure();
    let result = check::archive(reading, options);
    match broken.take() {
        Some(error) => Err(error.failure()),
        None => Ok(result),
    }
}

pub(super) fn pull(arguments: &PackPull, output: &Output) -> Run {
    let url = parsed(&arguments.url)?;
    let options = Options {
        strict: arguments.strict,
        allow_fail_verdict: arguments.allow_fail_verdict,
        limits: trusting::limits(&arguments.limited),
        ..trusting::options(&arguments.trusting)?
    };
    let reading = reading(&url)?;
    let archive = url.archive().unwrap_or_default();
    let name = stem(archive).unwrap_or(archive).replace(':', "-");
    let target = arguments.dir.clone().unwrap_or_else(|| Path::new("packs").join(name));
    let parent = bp::persist::parent_of(&target);
    let name = target.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    std::fs::create_dir_all(parent).map_err(|error| source::failure(parent, &error))?;
    bp::pack::build::free(parent, name).map_err(Coded::failure)?;
    let broken = reading.failure();
    // Beside the pack to be, so that what holds it holds the archive too; nothing has a name of its own yet.
    let mut file = tempfile::Builder::new().prefix(".pulled-").tempfile_in(parent);
    let file = file.as_mut().map_err(|error| source::failure(parent, error))?;
    let progress = output.transfer("pulling", reading.size_bytes());
    let copied = io::copy(&mut Watch::new(progress.counter()).on(reading), file);
    copied.map_err(|error| match broken.take() {
        Some(error) => error.failure(),
        None => source::failure(parent, &error).hint("nothing of the pack was left behind"),
    })?;
    drop(progress);
    let (result, path) = archives::extracted(file.path(), &target, &options)?;
    archives::taken(&result, &path, output)
}

//! Where a store is: a URL in which no secret stands.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A kind of store, by the scheme of its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// A folder.
    File,
    /// Amazon S3, and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gs,
    /// Azure Blob Storage.
    Az,
    /// A server without TLS.
    Http,
    /// A server.
    Https,
    /// A registry of the Open Container Initiative.
    Oci,
    /// The artifacts of an `MLflow` run.
    Mlflow,
}

/// Every scheme, as it is written.
const SCHEMES: [(&str, Scheme); 8] = [
    ("file", Scheme::File),
    ("s3", Scheme::S3),
    ("gs", Scheme::Gs),
    ("az", Scheme::Az),
    ("http", Scheme::Http),
    ("https", Scheme::Https),
    ("oci", Scheme::Oci),
    ("mlflow", Scheme::Mlflow),
];

/// What the names of archives end in.
const ARCHIVES: [&str; 3] = [".tar.gz", ".tgz", ".tar.zst"];

/// The URL of a store, or of an archive in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    /// Host and port, bucket, container or run.
    authority: String,
    /// Without a slash at either end.
    path: String,
}

/// Text that is no URL of a store. What it says never repeats the part that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("a store's URL begins with file://, s3://, gs://, az://, http://, https://, oci:// or mlflow://")]
    Scheme,
    /// `user:password@host`.
    #[error("the URL holds a user or a password; credentials come from the environment alone")]
    UserInfo,
    /// A query or a fragment.
    #[error(
        "the URL holds a query, which may be a credential; fetch it with a program of your own and pipe it in: \
         `curl ... | bp pack verify -`"
    )]
    Query,
    /// A part that is missing or not plain.
    #[error("{0}")]
    Form(&'static str),
}

impl Url {
    /// Whether a text is meant as a URL: paths do not hold `://`.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.split_once("://").is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.chars().all(|letter| letter.is_ascii_alphanumeric())
        })
    }

    /// The kind of store.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// The names under which Docker's configuration may hold the registry, the one that people log in to before all.
    #[must_use]
    pub fn registry_names(&self) -> [String; 3] {
        let host = &self.authority;
        // Docker Hub has one name in images, another for its API, and a third where people log in.
        if self.is_docker_hub() {
            return ["https://index.docker.io/v1/", "index.docker.io", "docker.io"].map(str::to_owned);
        }
        [host.clone(), format!("https://{host}"), format!("https://{host}/v1/")]
    }

    pub(super) fn is_docker_hub(&self) -> bool {
        ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&self.authority.as_str())
    }

    /// The archive that it names, if it does not name a folder. Of a registry, the tag or digest.
    #[must_use]
    pub fn archive(&self) -> Option<&str> {
        let name = self.path.rsplit('/').next()?;
        if self.scheme == Scheme::Oci {
            return match name.split_once('@') {
                Some((_, digest)) => Some(digest),
                None => name.split_once(':').map(|(_, tag)| tag),
            };
        }
        stem(name).map(|_| name)
    }

    /// The folder that it names, or in which the archive that it names lies. Of a registry, the repository.
    pub(super) fn folder(&self) -> &str {
        let Some(name) = self.archive() else { return &self.path };
        let rest = &self.path[..self.path.len() - name.len()];
        rest.strip_suffix(['/', ':', '@']).unwrap_or(rest)
    }

    /// The place of a name in this folder, as people see it.
    #[must_use]
    pub fn place(&self, name: &str) -> String {
        let folder = Self { path: self.folder().to_owned(), ..self.clone() };
        let joint = match self.scheme {
            Scheme::Oci if name.starts_with("sha256:") => "@",
            Scheme::Oci => ":",
            _ => "/",
        };
        format!("{folder}{joint}{name}")
    }

    /// The folder of a `file://` URL.
    pub(super) fn directory(&self) -> Result<PathBuf, UrlError> {
        let mut bytes = vec![b'/'];
        let mut rest = self.folder().bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                    let (high, low) = (digit(rest.next()), digit(rest.next()));
                    let value = high.zip(low).map(|(high, low)| high * 16 + low);
                    let value = value.and_then(|value| u8::try_from(value).ok()).filter(|value| *value != 0);
                    value.ok_or(UrlError::Form("a percent sign is followed by two hexadecimal digits"))?
                }
                byte => byte,
            });
        }
        let path = String::from_utf8(bytes).map_err(|_| UrlError::Form("the path is not UTF-8"))?;
        Ok(PathBuf::from(path))
    }

    /// Whether the host is this machine.
    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.authority)
    }
}

/// The name of an archive without what says that it is one; none where nothing does.
#[must_use]
pub fn stem(name: &str) -> Option<&str> {
    ARCHIVES.iter().find_map(|end| name.strip_suffix(end)).filter(|stem| !stem.is_empty())
}

/// Whether `host:port` is this machine.
pub(super) fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = SCHEMES.iter().find(|(name, _)| *name == scheme).ok_or(UrlError::Scheme)?.1;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        if rest.contains(['?', '#']) {
            return Err(UrlError::Query);
        }
        if rest.chars().any(|letter| letter.is_control() || letter == '\\') {
            return Err(UrlError::Form("the URL holds a control character or a backslash"));
        }
        if scheme == Scheme::File && !["", "localhost"].contains(&authority) {
            return Err(UrlError::Form("a file URL names no other machine: file:///absolute/path"));
        }
        if scheme != Scheme::File && authority.is_empty() {
            return Err(UrlError::Form("a bucket, container, host or run comes after the scheme"));
        }
        let path = path.trim_end_matches('/');
        if !path.is_empty() && path.split('/').any(|part| ["", ".", ".."].contains(&part)) {
            return Err(UrlError::Form("a part of the path is empty, `.` or `..`"));
        }
        if scheme == Scheme::Oci && path.is_empty() {
            return Err(UrlError::Form("a repository comes after the registry: oci://HOST/REPOSITORY:TAG"));
        }
        let authority = if scheme == Scheme::File { "" } else { authority };
        Ok(Self { scheme, authority: authority.to_owned(), path: path.to_owned() })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = SCHEMES.iter().find(|(_, scheme)| *scheme == self.scheme);
        let (name, _) = named.expect("every scheme is in the table");
        write!(formatter, "{name}://{}", self.authority)?;
        if self.path.is_empty() { Ok(()) } else { write!(formatter, "/{}", self.path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_url_names_an_archive_or_a_folder() {
        for (text, archive, folder) in [
            ("s3://bucket", None, ""),
            ("s3://bucket/", None, ""),
            ("s3://bucket/evidence/2026/", None, "evidence/2026"),
            ("s3://bucket/evidence/a.tar.gz", Some("a.tar.gz"), "evidence"),
            ("gs://bucket/a.tar.zst", Some("a.tar.zst"), ""),
            ("az://container/.tar.gz", None, ".tar.gz"),
            ("https://host:8443/x/a.tgz", Some("a.tgz"), "x"),
            ("file:///srv/packs/a.tar.gz", Some("a.tar.gz"), "srv/packs"),
            ("oci://host:5000/team/packs:nightly", Some("nightly"), "team/packs"),
            ("oci://host:5000/team/packs@sha256:ab", Some("sha256:ab"), "team/packs"),
            ("oci://host:5000/packs", None, "packs"),
            ("mlflow://0a1b/evidence", None, "evidence"),
        ] {
            let url = url(text);
            assert_eq!((url.archive(), url.folder()), (archive, folder), "{text}");
            assert_eq!(url.to_string(), text.trim_end_matches('/'));
            if let Some(archive) = archive {
                assert_eq!(url.place(archive), text);
            }
        }
    }

    #[test]
    fn what_may_be_a_secret_is_refused_and_not_repeated() {
        for (text, wanted) in [
            ("s3://AKIA:hunter2@bucket/x", UrlError::UserInfo),
            ("https://user:hunter2@host/a.tar.gz", UrlError::UserInfo),
            ("https://host/a.tar.gz?X-Amz-Signature=hunter2", UrlError::Query),
            ("https://host/a.tar.gz#hunter2", UrlError::Query),
            ("az://container?sig=hunter2", UrlError::Query),
            ("ftp://hunter2/", UrlError::Scheme),
        ] {
            let error = text.parse::<Url>().unwrap_err();
            assert_eq!(error, wanted, "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn a_path_climbs_nowhere() {
        for text in ["file:///a/../b", "s3://b/./x", "s3://b//x", "s3:///x", "file://host/x", "oci://host"] {
            assert!(matches!(text.parse::<Url>(), Err(UrlError::Form(_))), "{text}");
        }
        assert_eq!(url("file:///a%20b/c").directory().unwrap(), PathBuf::from("/a b/c"));
        assert!(url("file:///a%2").directory().is_err() && url("file:///a%00").directory().is_err());
    }

    #[test]
    fn a_path_is_not_taken_for_a_url() {
        for (text, wanted) in
            [("packs/a", false), ("a:/b", false), ("s3://b", true), ("ftp://x", true), ("-", false)]
        {
            assert_eq!(Url::is_meant(text), wanted, "{text}");
        }
        for (host, wanted) in
            [("localhost:5000", true), ("127.0.0.1", true), ("[::1]:80", true), ("10.0.0.1", false)]
        {
            assert_eq!(is_loopback(host), wanted, "{host}");
        }
    }
}

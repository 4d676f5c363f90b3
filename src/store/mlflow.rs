//! The artifacts of an `MLflow` run, by the proxy of its tracking server: `mlflow://RUN/FOLDER`, and the server by
//! `MLFLOW_TRACKING_URI`.
//!
//! The proxy replaces what is there without a word. A name that is listed is never written, what was sent is read back,
//! and the digest is set as a tag of the run; two that push at once to one name can only be told apart by that.

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};
use ureq::http::Method;

use super::client::{Ask, Client, Content};
use super::error::StoreError;
use super::reading::Reading;
use super::settings::Settings;
use super::source::Source;
use super::url::{Url, is_loopback};
use super::{Creation, Named, Objects, escaped, web};

pub(super) struct Run {
    url: Url,
    /// `https://HOST`
    server: String,
    client: Client,
    authorization: Option<String>,
    /// Where the artifacts of the run are, as the proxy names it.
    root: String,
}

impl Run {
    pub(super) fn of(url: &Url, settings: &Settings) -> Result<Self, StoreError> {
        let unset = |what: &str| StoreError::Settings { place: url.to_string(), what: what.to_owned() };
        let server = settings.variable("MLFLOW_TRACKING_URI");
        let server = server.ok_or_else(|| unset("MLFLOW_TRACKING_URI does not say which server"))?;
        let server = server.trim_end_matches('/').to_owned();
        let authority =
            server.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
        if authority.contains('@') {
            return Err(unset(
                "MLFLOW_TRACKING_URI holds a user: use MLFLOW_TRACKING_USERNAME and _PASSWORD",
            ));
        }
        let private = server.starts_with("https://") || is_loopback(authority);
        if !private && !server.starts_with("http://") {
            return Err(unset("MLFLOW_TRACKING_URI names no server: http:// or https://"));
        }
        let variable = |name: &str| settings.variable(name);
        let authorization = match (variable("MLFLOW_TRACKING_TOKEN"), variable("MLFLOW_TRACKING_USERNAME")) {
            (Some(token), _) => Some(format!("Bearer {token}")),
            (None, Some(user)) => {
                let password = variable("MLFLOW_TRACKING_PASSWORD").unwrap_or_default();
                Some(format!("Basic {}", Base64::encode_string(format!("{user}:{password}").as_bytes())))
            }
            (None, None) => None,
        };
        if authorization.is_some() && !private {
            return Err(unset("credentials would travel without TLS to MLFLOW_TRACKING_URI"));
        }
        let client = Client::new(settings.patience, 0);
        let mut run = Self { url: url.clone(), server, client, authorization, root: String::new() };
        run.root = run.root()?;
        Ok(run)
    }

    /// Asks where the run's artifacts are.
    fn root(&self) -> Result<String, StoreError> {
        let place = self.url.to_string();
        let uri = format!("{}/api/2.0/mlflow/runs/get?run_id={}", self.server, escaped(self.url.authority()));
        let document = self.document(&place, &Ask::get(uri))?;
        let uri = document["run"]["info"]["artifact_uri"].as_str().unwrap_or_default();
        let path = uri.strip_prefix("mlflow-artifacts:").map(|rest| match rest.strip_prefix("//") {
            Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
            None => rest,
        });
        let path = path.map(|path| path.trim_matches('/').to_owned()).filter(|path| !path.is_empty());
        path.ok_or_else(|| StoreError::Unsupported {
            place,
            what: "this run keeps its artifacts outside the server; push to where they are kept".to_owned(),
        })
    }

    fn ask<'a>(&self, ask: Ask<'a>) -> Ask<'a> {
        ask.authorization(self.authorization.as_deref())
    }

    fn document(&self, place: &str, ask: &Ask<'_>) -> Result<Value, StoreError> {
        self.client.whole(place, &self.ask(ask.clone()))?.fine(place)?.document(place)
    }

    fn path(&self, name: &str) -> String {
        let parts = [self.root.as_str(), self.url.folder(), name];
        let parts = parts.into_iter().filter(|part| !part.is_empty()).flat_map(|part| part.split('/'));
        parts.map(escaped).collect::<Vec<_>>().join("/")
    }

    fn uri(&self, name: &str) -> String {
        format!("{}/api/2.0/mlflow-artifacts/artifacts/{}", self.server, self.path(name))
    }
}

impl Objects for Run {
    fn names(&self) -> Result<Vec<Named>, StoreError> {
        let uri = format!("{}/api/2.0/mlflow-artifacts/artifacts?path={}", self.server, self.path(""));
        let document = self.document(&self.url.to_string(), &Ask::get(uri))?;
        let files = document["files"].as_array().into_iter().flatten();
        let files = files.filter(|file| file["is_dir"] != true).filter_map(|file| {
            let name = file["path"].as_str()?.rsplit('/').next()?.to_owned();
            let size = &file["file_size"];
            let size_bytes = size.as_u64().or_else(|| size.as_str()?.parse().ok());
            Some(Named { name, size_bytes })
        });
        Ok(files.collect())
    }

    fn create(&self, name: &str, source: &Source) -> Result<Creation, StoreError> {
        let place = self.url.place(name);
        if self.names()?.iter().any(|named| named.name == name) {
            return Ok(Creation::Taken);
        }
        let put = Ask::new(Method::PUT, self.uri(name)).content(Content::File(source));
        self.client.whole(&place, &self.ask(put))?.fine(&place)?;
        let tag = json!({
            "run_id": self.url.authority(),
            "key": format!("bp.sha256.{name}"),
            "value": source.sha256.to_string(),
        });
        let tag = tag.to_string();
        let set = Ask::new(Method::POST, format!("{}/api/2.0/mlflow/runs/set-tag", self.server));
        let set = set.header("content-type", "application/json").content(Content::Bytes(tag.as_bytes()));
        self.document(&place, &set)?;
        Ok(Creation::Created)
    }

    fn open(&self, name: &str, _glimpse: bool) -> Result<Reading, StoreError> {
        web::streamed(&self.client, &self.url.place(name), &self.uri(name), self.authorization.clone())
    }
}

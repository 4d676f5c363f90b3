//! `keys`: make and show signing keys.

use std::path::Path;

use bp::error::{self, Failure};
use bp::trust::Rotation;
use bp::trust::key::{KeyId, VerifyingKey, public_path};
use serde_json::json;

use crate::Run;
use crate::cli::Keys;
use crate::failure::Coded;
use crate::output::Output;
use crate::{clock, source, trust};

pub(crate) fn keys(command: Keys, output: &Output) -> Run {
    match command {
        Keys::New { out, encrypt } => {
            let (key, public) = trust::new_key(&out, encrypt)?;
            tell(&out, Some(&public), &key.id(), output)
        }
        Keys::Show { file } => {
            let id = id(&file)?;
            tell(&file, None, &id, output)
        }
        Keys::Rotate { key, new, from, out } => {
            let (from, _) = clock::moment(from.as_deref())?;
            let (key, new) = (trust::load(&key)?, VerifyingKey::read(&new).map_err(Coded::failure)?);
            let envelope = Rotation::sign(&key, &new, from).map_err(Coded::failure)?;
            let bytes = envelope.to_bytes();
            source::create(&out, &bytes)?;
            if output.json {
                output.envelope(&json!({
                    "ok": true,
                    "out": source::shown(&out),
                    "old_key_id": key.id().to_string(),
                    "new_key_id": new.id().to_string(),
                    "valid_from": from.to_string(),
                }))?;
            } else {
                output.say(&format!("wrote {}: key {} names key {}", out.display(), key.id(), new.id()));
            }
            Ok(0)
        }
        Keys::Default => {
            let path = trust::default_key()?;
            if !path.exists() {
                let failure =
                    Failure::new(&error::ENOENT, format!("{}: there is no default key yet", path.display()));
                return Err(failure.hint("`bp pack run` makes it on first use"));
            }
            let id = id(&path)?;
            tell(&path, Some(&public_path(&path)), &id, output)
        }
    }
}

/// The id of a key file, whichever half it is.
fn id(file: &Path) -> Result<KeyId, Failure> {
    if file.to_str().is_some_and(|text| text.starts_with("exec:")) {
        return trust::load(file).map(|key| key.id());
    }
    let text = source::bytes(file)?;
    if text.windows(11).any(|window| window == b"PRIVATE KEY") {
        return trust::load(file).map(|key| key.id());
    }
    VerifyingKey::read(file).map(|key| key.id()).map_err(Coded::failure)
}

fn tell(key: &Path, public: Option<&Path>, id: &KeyId, output: &Output) -> Run {
    if output.json {
        output.envelope(&json!({
            "ok": true,
            "key": source::shown(key),
            "public_key": public.map(source::shown),
            "key_id": id.to_string(),
        }))?;
        return Ok(0);
    }
    let public = public.map(|public| format!("public  {}\n", public.display())).unwrap_or_default();
    let text = format!("key id  {id}\nkey     {}\n{public}", key.display());
    output.data(text.as_bytes())?;
    Ok(0)
}

//! `timestamp`: what an authority is asked, and its token beside what it stamps. It is asked from here where `--tsa` names it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::pack::layout::Added;
use bp::pack::{Freeze, MANIFEST, Moment};
use bp::store::{AuthorityUrl, Patience};
use bp::trust::timestamp::{MAX_BYTES, Nonce, Request, Token};
use serde_json::json;

use crate::attest::{checked, put};
use crate::cli::{Timestamp, TimestampAttach, Trusting};
use crate::failure::Coded;
use crate::output::Output;
use crate::{Run, source, trusting};

pub(crate) fn timestamp(command: Timestamp, output: &Output) -> Run {
    match command {
        Timestamp::Request { what, out } => request(&what, out, output),
        Timestamp::Attach(arguments) => attach(&arguments, output),
    }
}

/// What is stamped.
enum Stamped {
    /// A pack, by its manifest.
    Pack(Digest),
    /// The freeze of a suite.
    Freeze(Digest),
}

impl Stamped {
    fn read(what: &Path) -> Result<Self, Failure> {
        if what.is_dir() {
            return Ok(Self::Pack(Digest::of(&source::of_pack(what, MANIFEST)?)));
        }
        let freeze = Freeze::parse(&source::bytes(what)?).map_err(|error| {
            let message = format!("{}: neither a pack nor a freeze: {error}", what.display());
            Failure::new(&error::STATEMENT_ERROR, message)
        })?;
        Ok(Self::Freeze(freeze.sha256()))
    }

    fn sha256(&self) -> &Digest {
        match self {
            Self::Pack(sha256) | Self::Freeze(sha256) => sha256,
        }
    }
}

/// A path with something after its name: `packs/nightly.tsq`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let plain: PathBuf = path.components().collect();
    let mut name = OsString::from(plain);
    name.push(suffix);
    name.into()
}

fn asking(stamped: &Stamped) -> Result<Request, Failure> {
    let mut nonce = Nonce::default();
    getrandom::fill(&mut nonce).map_err(|error| Failure::of(&error::IO_ERROR, &error))?;
    Ok(Request::new(*stamped.sha256(), nonce))
}

fn request(what: &Path, out: Option<PathBuf>, output: &Output) -> Run {
    let stamped = Stamped::read(what)?;
    let request = asking(&stamped)?;
    let out = out.unwrap_or_else(|| beside(what, ".tsq"));
    source::create(&out, &request.to_bytes())?;
    let sha256 = stamped.sha256();
    if output.json {
        output.envelope(&json!({ "ok": true, "out": source::shown(&out), "sha256": sha256 }))?;
    } else {
        output.say(&format!("wrote a request to stamp {sha256}\n  {}", out.display()));
        output.say("Send it to an authority, and give its reply to `bp timestamp attach`.");
    }
    Ok(0)
}

/// An authority's reply, what it answers where that is known, and where it is from.
struct Reply {
    bytes: Vec<u8>,
    request: Option<Request>,
    from: String,
}

impl Reply {
    fn had(arguments: &TimestampAttach, stamped: &Stamped) -> Result<Self, Failure> {
        if let Some(url) = &arguments.tsa {
            return Self::asked(url, stamped);
        }
        let file = arguments.token.as_deref().expect("there is a token where there is no --tsa");
        let mut bytes = source::bytes(file)?;
        bytes.truncate(MAX_BYTES + 1);
        let request = arguments.request.as_deref().map(|path| {
            Request::parse(&source::bytes(path)?)
                .map_err(|error| refused(&path.display().to_string(), &error))
        });
        Ok(Self { bytes, request: request.transpose()?, from: file.display().to_string() })
    }

    fn asked(url: &str, stamped: &Stamped) -> Result<Self, Failure> {
        let authority: AuthorityUrl =
            url.parse().map_err(|error| Failure::of(&error::STORE_URL_INVALID, &error))?;
        let request = asking(stamped)?;
        let bytes = authority.ask(&request.to_bytes(), Patience::default()).map_err(Coded::failure)?;
        Ok(Self { bytes, request: Some(request), from: authority.to_string() })
    }

    /// The token in it, if it answers what was asked.
    fn token(&self) -> Result<Token, Failure> {
        let token = Token::parse(&self.bytes).map_err(|error| refused(&self.from, &error))?;
        if let Some(request) = &self.request {
            token.answers(request).map_err(|error| refused(&self.from, &error))?;
        }
        Ok(token)
    }
}

fn refused(from: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(&error::STATEMENT_ERROR, format!("{from}: {error}"))
}

/// The pack holds, and is the one whose manifest was read.
fn holds(pack: &Path, manifest: &Digest) -> Result<(), Failure> {
    let result = checked(pack, &trusting::options(&Trusting::default())?)?;
    if result.manifest_sha256 == Some(*manifest) && result.exit_code() == 0 {
        return Ok(());
    }
    let first = result.findings.first().map(|finding| format!(": {}", finding.law.code));
    let message = format!("{}: the pack does not hold{}", pack.display(), first.unwrap_or_default());
    Err(Failure::new(&error::PACK_REFUSED, message))
}

fn attach(arguments: &TimestampAttach, output: &Output) -> Run {
    let TimestampAttach { what, tsa_root, .. } = arguments;
    let stamped = Stamped::read(what)?;
    let anchors = trusting::anchors(tsa_root)?;
    // Before an authority is asked.
    if let Stamped::Pack(manifest) = &stamped {
        holds(what, manifest)?;
    }
    let reply = Reply::had(arguments, &stamped)?;
    let token = reply.token()?;
    let claim = token.claim(stamped.sha256()).map_err(|error| refused(&reply.from, &error))?;
    let vouched = if anchors.is_empty() {
        None
    } else {
        let stamp = token.open(stamped.sha256(), &anchors).map_err(|error| refused(&reply.from, &error))?;
        Some(stamp.anchor.name().to_owned())
    };
    let target = match &stamped {
        Stamped::Pack(_) => put(what, &Added::token(&Digest::of(token.to_bytes())), token.to_bytes())?,
        Stamped::Freeze(_) => {
            let target = of_freeze(what);
            source::create(&target, token.to_bytes())?;
            target
        }
    };
    tell(&target, claim.at, &claim.authority, vouched.as_deref(), output)
}

/// Where the token over a freeze lies: `suite.freeze.json` has `suite.freeze.json.tst`.
pub(crate) fn of_freeze(freeze: &Path) -> PathBuf {
    beside(freeze, ".tst")
}

fn tell(target: &Path, at: Moment, authority: &str, vouched: Option<&str>, output: &Output) -> Run {
    if output.json {
        output.envelope(&json!({
            "ok": true,
            "added": source::shown(target),
            "at": at,
            "authority": authority,
            "trusted_by": vouched,
        }))?;
        return Ok(0);
    }
    output.say(&format!("added {}", target.display()));
    let authority = authority.escape_debug();
    output.say(&match vouched {
        Some(name) => format!("stamped at {at} by {authority}, for which {} vouches", name.escape_debug()),
        None => format!("says {at}, by {authority}; --tsa-root says whom you believe, and none was given"),
    });
    Ok(0)
}

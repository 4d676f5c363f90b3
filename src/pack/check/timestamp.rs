//! Time stamps: of the manifest, added after sealing, and of the freeze of its suite, sealed with it.

use super::Checker;
use super::additions::Counted;
use crate::digest::Digest;
use crate::moment::Moment;
use crate::pack::law;
use crate::pack::layout::Added;
use crate::pack::manifest::{ClockSource, Statement};
use crate::pack::path::PackPath;
use crate::pack::result::{Stamped, TimestampFacts};
use crate::pack::walk::shown;
use crate::trust::timestamp::{Anchor, Token, TokenError, Unstamped};

/// What a token that holds says.
pub(super) struct Said {
    pub(super) at: Moment,
    /// The earliest and the latest time that it allows for.
    pub(super) bounds: (Moment, Moment),
    /// The certificate of the recipient that vouches for it; without one it shows nothing.
    pub(super) trusted_by: Option<String>,
}

/// When a training command ran, by the clock of who ran it.
pub(super) struct Seen {
    /// The folder of its evidence.
    pub(super) folder: String,
    pub(super) began: Moment,
    pub(super) ended: Moment,
}

impl Checker<'_> {
    /// A pack is made after what it shows: where its time is of the clock by which the job was seen. That the clock ran on
    /// while the job did is not asked: clocks are set.
    pub(super) fn jobs_before(&mut self, statement: &Statement) {
        if statement.created_at_source != ClockSource::SystemClock {
            return;
        }
        let made = statement.created_at;
        let late = self.jobs.iter().filter(|job| job.ended > made);
        let found: Vec<_> = late.map(|job| (job.folder.clone(), job.ended)).collect();
        for (folder, ended) in found {
            let message = format!("the job ended at {ended}, after the pack was made at {made}");
            self.find(&law::TIME_ORDER, &folder, message);
        }
    }

    /// The token in these bytes, in the one form in which it is stored: without the reply around it.
    pub(super) fn token(&mut self, path: &str, bytes: &[u8]) -> Option<Token> {
        match Token::parse(bytes) {
            Ok(token) if token.to_bytes() == bytes => Some(token),
            Ok(_) => {
                self.find(&law::TIMESTAMP_UNSOUND, path, "a reply with a token in it, not the token alone");
                None
            }
            Err(error) => {
                self.find(&law::TIMESTAMP_UNSOUND, path, error.to_string());
                None
            }
        }
    }

    /// What a token says of bytes with this digest. None with a finding, where it does not hold.
    pub(super) fn said(&mut self, path: &str, token: &Token, of: Stamped, sha256: &Digest) -> Option<Said> {
        let claim = match token.claim(sha256) {
            Ok(claim) => claim.clone(),
            Err(error) => {
                let law = match error {
                    TokenError::OtherBytes { .. } => &law::TIMESTAMP_OF_OTHER_BYTES,
                    _ => &law::TIMESTAMP_BROKEN,
                };
                self.find(law, path, error.to_string());
                return None;
            }
        };
        let listed = self.options.policy.authorities().iter().chain(&self.options.demands.authorities);
        let anchors: Vec<Anchor> = listed.cloned().collect();
        let trusted_by = match token.open(sha256, &anchors) {
            Ok(stamp) => Some(stamp.anchor.name().to_owned()),
            Err(Unstamped::Broken(_)) => None,
            Err(Unstamped::Untrusted(why)) => {
                let message = format!("unverified, says {}: {why}", claim.at);
                self.warn(&law::TIMESTAMP_UNTRUSTED, path, message);
                None
            }
        };
        let bounds = claim.bounds();
        if let Some(now) = self.options.demands.now.filter(|now| bounds.0 > *now) {
            self.find(&law::TIME_ORDER, path, format!("stamped at {}, and it is {now} now", claim.at));
        }
        self.timestamps.push(TimestampFacts {
            path: PackPath::known(path),
            of,
            at: claim.at,
            accuracy_us: claim.accuracy_us,
            policy: claim.policy,
            authority: shown(&claim.authority),
            trusted_by: trusted_by.clone(),
        });
        Some(Said { at: claim.at, bounds, trusted_by })
    }

    /// A token over the manifest.
    pub(super) fn time_stamp(
        &mut self,
        path: &PackPath,
        bytes: &[u8],
        statement: &Statement,
        counted: &mut Counted,
    ) {
        if *path != Added::token(&Digest::of(bytes)) {
            self.find(&law::TIMESTAMP_UNSOUND, path.as_str(), "its name is not the digest of its bytes");
            return;
        }
        let Some(manifest) = self.pack.as_ref().map(|pack| pack.manifest_sha256) else { return };
        let Some(token) = self.token(path.as_str(), bytes) else { return };
        let Some(said) = self.said(path.as_str(), &token, Stamped::Manifest, &manifest) else { return };
        if said.bounds.1 < statement.created_at {
            let message =
                format!("stamped at {}, before the pack was made at {}", said.at, statement.created_at);
            self.find(&law::TIME_ORDER, path.as_str(), message);
        }
        if let Some(name) = said.trusted_by {
            counted.authorities.insert(name);
            let earliest = counted.stamped_at.map_or(said.at, |before| before.min(said.at));
            counted.stamped_at = Some(earliest);
        }
    }
}

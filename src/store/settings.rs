//! What the environment says of stores: credentials, endpoints, and how long to wait.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How long and how often a store is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A connection that brings or takes nothing for so long is given up.
    pub stall: Duration,
    /// How often a request is made at most, and how often a stream is taken up again without a byte in between.
    pub tries: u32,
    /// The wait before the second try; each further one is twice as long, and all are shortened by chance by up to half.
    pub pause: Duration,
    /// No wait is longer, whatever the store asks for.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(30),
            tries: 6,
            pause: Duration::from_millis(300),
            longest_pause: Duration::from_secs(20),
        }
    }
}

impl Patience {
    /// How long to wait after so many tries.
    pub(super) fn after(&self, tries: u32, asked: Option<Duration>) -> Duration {
        use std::hash::{BuildHasher as _, Hasher as _};
        let doubled = self.pause.saturating_mul(1 << tries.saturating_sub(1).min(16));
        // Those who were refused together do not come back together.
        let chance = std::hash::RandomState::new().build_hasher().finish() % 512;
        let jittered = doubled.min(self.longest_pause) * (1023 - u32::try_from(chance).unwrap_or(0)) / 1023;
        asked.map_or(jittered, |asked| asked.max(jittered)).min(self.longest_pause)
    }
}

/// What stores are given: variables of the environment by name, and patience.
#[derive(Clone, Default)]
pub struct Settings {
    variables: BTreeMap<String, String>,
    /// How long to wait.
    pub patience: Patience,
    /// Folder for notes on uploads that are under way, so that a push that broke off is taken up by the next.
    pub uploads: Option<PathBuf>,
}

impl Settings {
    /// From the variables of an environment; those that no store knows are left out.
    #[must_use]
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        const KNOWN: [&str; 7] = ["AWS_", "GOOGLE_", "AZURE_", "MLFLOW_", "DOCKER_", "OCI_", "BP_HTTP_"];
        let known = |name: &str| KNOWN.iter().any(|prefix| name.starts_with(prefix));
        let variables = variables.into_iter().filter(|(name, value)| known(name) && !value.is_empty());
        Self { variables: variables.collect(), ..Self::default() }
    }

    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Those whose names begin so.
    pub(super) fn beginning<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(move |(name, _)| name.starts_with(prefix))
    }
}

/// Values are credentials: none is told.
impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.variables.keys().collect();
        formatter
            .debug_struct("Settings")
            .field("variables", &names)
            .field("patience", &self.patience)
            .field("uploads", &self.uploads)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_shortened_by_chance_and_stay_bounded() {
        let patience = Patience::default();
        for tries in 1..40 {
            let wait = patience.after(tries, None);
            let full = patience.pause.saturating_mul(1 << (tries - 1).min(16)).min(patience.longest_pause);
            assert!(wait >= full / 2 && wait <= full, "{tries}: {wait:?}");
        }
        let asked = |seconds| patience.after(1, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(7), Duration::from_secs(7));
        assert_eq!(asked(7000), patience.longest_pause);
    }

    #[test]
    fn values_are_not_told() {
        let variables = [("AWS_SECRET_ACCESS_KEY", "hunter2"), ("HOME", "x"), ("AWS_REGION", "")];
        let settings = Settings::new(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let told = format!("{settings:?}");
        assert!(told.contains("AWS_SECRET_ACCESS_KEY") && !told.contains("hunter2"), "{told}");
        assert!(settings.variable("HOME").is_none() && settings.variable("AWS_REGION").is_none());
    }
}

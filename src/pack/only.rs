//! A part of a pack, named by globs over its paths.

use glob::{MatchOptions, Pattern};

use super::path::PackPath;

/// `*` stays within a component, `**` does not, and case counts.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// The part of a pack that a check is to look at. Never empty of globs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only(Vec<Pattern>);

/// Text that is no glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{glob:?} is no glob: {reason}")]
pub struct InvalidGlob {
    glob: String,
    reason: &'static str,
}

impl Only {
    /// The part that these globs name together; none where there is no glob, which is the whole pack.
    ///
    /// # Errors
    /// [`InvalidGlob`] for the first that is none.
    pub fn parse(globs: &[String]) -> Result<Option<Self>, InvalidGlob> {
        let parse = |glob: &String| {
            Pattern::new(glob).map_err(|error| InvalidGlob { glob: glob.clone(), reason: error.msg })
        };
        let patterns = globs.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok((!patterns.is_empty()).then_some(Self(patterns)))
    }

    /// Whether a path is of this part.
    #[must_use]
    pub fn has(&self, path: &PackPath) -> bool {
        self.0.iter().any(|pattern| pattern.matches_with(path.as_str(), OPTIONS))
    }

    /// The globs as given.
    pub fn globs(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Pattern::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_a_component_and_two_do_not() {
        let has = |glob: &str, path: &str| {
            Only::parse(&[glob.to_owned()]).unwrap().unwrap().has(&path.parse().unwrap())
        };
        for (glob, path, is) in [
            ("receipts/*", "receipts/a.jsonl", true),
            ("receipts/*", "receipts/a/b", false),
            ("*", "receipts/a.jsonl", false),
            ("**/*.json", "run/history/a.json", true),
            ("README.md", "README.md", true),
            ("readme.md", "README.md", false),
        ] {
            assert_eq!(has(glob, path), is, "{glob} {path}");
        }
        assert_eq!(Only::parse(&[]), Ok(None));
        assert!(Only::parse(&["a[".to_owned()]).unwrap_err().to_string().contains("is no glob"));
    }
}

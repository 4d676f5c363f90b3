//! What can be found, as tables: a row for each law, the only place where a finding's code comes from.

use serde::{Serialize, Serializer};

/// A law. `E` is what breaking one can mean in its table.
#[derive(Debug, PartialEq, Eq)]
pub struct Law<E: 'static> {
    /// What a finding is cited by.
    pub code: &'static str,
    /// What breaking it means.
    pub effect: E,
    /// The law, as a present-tense sentence.
    pub title: &'static str,
    /// What it means when it is broken.
    pub meaning: &'static str,
    /// What to do then.
    pub remedy: &'static str,
}

impl<E> Serialize for &'static Law<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code)
    }
}

/// A table: rows of a name, the code where that is not the name, the effect, and three sentences. What it makes are a
/// static for each row, `LAWS` and `law`; the module that it stands in has the `Effect`.
macro_rules! laws {
    ($($name:ident $($code:literal)? $effect:ident $title:literal $meaning:literal $remedy:literal)*) => {
        /// A row of the table.
        pub type Law = $crate::law::Law<Effect>;

        $(
            #[doc = $title]
            pub static $name: Law = Law {
                code: $crate::law::code!($name $($code)?),
                effect: Effect::$effect,
                title: $title,
                meaning: $meaning,
                remedy: $remedy,
            };
        )*

        /// Every row, in the order of the table.
        pub static LAWS: &[&Law] = &[$(&$name),*];

        /// The row with this code.
        #[must_use]
        pub fn law(code: &str) -> Option<&'static Law> {
            LAWS.iter().copied().find(|law| law.code == code)
        }
    };
}

/// The code of a row.
macro_rules! code {
    ($name:ident) => {
        stringify!($name)
    };
    ($name:ident $code:literal) => {
        $code
    };
}

pub(crate) use {code, laws};

//! Names inside a record: of units, parameters, samples and traces.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::wire::Text;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Text);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<Text> for $name {
            fn from(text: Text) -> Self {
                Self(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl<'a> From<&'a $name> for $crate::pointer::Token<'a> {
            fn from(name: &'a $name) -> Self {
                $crate::pointer::Token::Key(&name.0)
            }
        }
    };
}

id! {
    /// The name of an input, a hidden unit or an output: `h1`.
    UnitId
}
id! {
    /// The name of a weight or bias: `w_i1_h1`.
    ParamId
}
id! {
    /// The name of a sample of a batch: `s0`.
    SampleId
}
id! {
    /// The name that all steps of one trace share: 32 lower-case hexadecimal digits, which the schema checks.
    TraceId
}

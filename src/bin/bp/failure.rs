//! What an error of the library comes to for whoever ran a verb: its code, and what to do about it.

use std::io;
use std::path::Path;

use bp::error::{self, Failure};
use bp::pack::archive::{ArchiveError, ExtractError};
use bp::pack::build::BuildError;
use bp::run::collect::CollectError;
use bp::store::StoreError;
use bp::trust::key::{KeyError, SignError};
use bp::trust::policy::PolicyError;

use crate::source;

/// An error that has its codes wherever it occurs. Of others, those who meet them know what was being done.
pub(crate) trait Coded {
    fn failure(self) -> Failure;
}

impl Coded for ArchiveError {
    fn failure(self) -> Failure {
        let code = match &self {
            Self::Open { .. } => &error::PACK_UNREADABLE,
            Self::Unsound { .. } | Self::Manifest(_) => &error::PACK_NOT_ARCHIVED,
            Self::Exists(_) => &error::FILE_EXISTS,
            Self::Write { .. } => &error::IO_ERROR,
        };
        Failure::of(code, &self)
    }
}

impl Coded for ExtractError {
    fn failure(self) -> Failure {
        let code = match self {
            Self::Open(_) => &error::PACK_UNREADABLE,
            Self::Refused { .. } => &error::PACK_REFUSED,
            Self::Changed(_) => &error::PACK_NOT_WRITTEN,
            Self::Build(error @ BuildError::Exists { .. }) => {
                return error.failure().hint("name a folder that is not there yet");
            }
            Self::Build(error) => return error.failure(),
        };
        Failure::of(code, &self)
    }
}

impl Coded for BuildError {
    fn failure(self) -> Failure {
        let code = match &self {
            Self::Exists { .. } => &error::PACK_EXISTS,
            Self::Name { .. } => &error::INVALID_FLAG,
            Self::Papers(_) => &error::PROVIDER_ERROR,
            Self::Step { .. } | Self::Published(_) => &error::STEP_REFUSED,
            Self::Tensors { .. } => &error::TENSOR_REFUSED,
            Self::Annex(_) => &error::TEMPLATE_ERROR,
            Self::Io { .. } => &error::PACK_NOT_WRITTEN,
            Self::Sign(_) => &error::KEY_ERROR,
        };
        Failure::of(code, &self)
    }
}

impl Coded for CollectError {
    fn failure(self) -> Failure {
        match &self {
            Self::Open { path, source } | Self::Dataset { path, source }
                if source.kind() != io::ErrorKind::NotADirectory
                    && source.kind() != io::ErrorKind::InvalidInput =>
            {
                source::failure(Path::new(path), source)
            }
            _ => Failure::of(&error::RUN_NOT_COLLECTED, &self),
        }
    }
}

impl Coded for StoreError {
    fn failure(self) -> Failure {
        let code = match &self {
            Self::Url(_) => &error::STORE_URL_INVALID,
            Self::Unsupported { .. } => &error::STORE_UNSUPPORTED,
            Self::Settings { .. } => &error::STORE_NOT_SET_UP,
            Self::NotFound { .. } => &error::STORE_NOT_FOUND,
            Self::Denied { .. } => &error::STORE_DENIED,
            Self::Taken { .. } => &error::STORE_NAME_TAKEN,
            Self::Answer { .. } => &error::STORE_REFUSED,
            Self::Unreachable { .. } => &error::STORE_UNREACHABLE,
            Self::Differs { .. } => &error::STORE_BYTES_DIFFER,
            Self::Changed { .. } => &error::STORE_OBJECT_CHANGED,
            Self::Local { .. } => &error::IO_ERROR,
        };
        Failure::of(code, &self)
    }
}

impl Coded for KeyError {
    fn failure(self) -> Failure {
        let failure = Failure::of(&error::KEY_ERROR, &self);
        match &self {
            Self::Exists(_) => failure.hint("Choose another --out."),
            Self::Mode { path, .. } => failure.hint(format!("chmod 600 {}", path.display())),
            _ => failure,
        }
    }
}

impl Coded for SignError {
    fn failure(self) -> Failure {
        Failure::of(&error::KEY_ERROR, &self)
    }
}

impl Coded for PolicyError {
    fn failure(self) -> Failure {
        Failure::of(&error::TRUST_ERROR, &self)
    }
}

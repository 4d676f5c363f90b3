//! Captured stages of a forward pass: read again, checked and compared again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use super::Checker;
use super::derive::Unkept;
use super::source::Source;
use crate::digest::Digest;
use crate::handle::At;
use crate::pack::files::{Files, Sealed};
use crate::pack::law;
use crate::pack::layout::{Place, Side};
use crate::pack::manifest::Artifact;
use crate::pack::path::PackPath;
use crate::pack::plan::{Captures, Evidence};
use crate::tensor::{Bytes as _, Capture, Fault, Folder, index};

/// The files of one capture of a pack.
struct Packed<'a, 'b, 'c> {
    source: &'a RefCell<&'b mut (dyn Source + 'c)>,
    side: Side,
    names: Vec<String>,
}

impl Folder for Packed<'_, '_, '_> {
    type File = At;

    fn names(&self) -> &[String] {
        &self.names
    }

    fn open(&self, name: &str) -> io::Result<At> {
        let path = Place::Captured(self.side, name).path();
        self.source.borrow_mut().payload(&path).map_err(|(_, message)| io::Error::other(message))
    }
}

impl Checker<'_> {
    /// Takes the captures as they are stored, and judges them.
    pub(super) fn tensors(&mut self, evidence: &mut Evidence, expected: &BTreeMap<PackPath, Artifact>) {
        let (mut names, mut files) = (BTreeMap::<Side, Vec<String>>::new(), Files::default());
        for (path, artifact) in expected {
            if let Some(place @ Place::Captured(side, name)) = Place::of(path) {
                names.entry(side).or_default().push(name.to_owned());
                let Artifact { size_bytes, sha256, .. } = *artifact;
                files.note(path.clone(), Sealed { size_bytes, sha256, role: place.role() });
            }
        }
        if names.is_empty() {
            return;
        }
        let Some(subject) = names.remove(&Side::Subject) else {
            let message = "a reference lies there, and nothing that is held against it";
            return self.find(&law::TENSORS_UNSOUND, Side::Reference.folder(), message);
        };
        let source = RefCell::new(&mut *self.source);
        let open = |side, names| {
            let unsound = |message: String| (side, message);
            let path = Place::Captured(side, index::NAME).path();
            let sealed = expected.get(&path).ok_or_else(|| unsound("it has no index".to_owned()))?;
            let packed = Packed { source: &source, side, names };
            let bytes = whole(&packed).map_err(|error| unsound(error.to_string()))?;
            if Digest::of(&bytes) != sealed.sha256 {
                return Err(unsound("its index is not the one that was sealed".to_owned()));
            }
            Capture::indexed(packed, Some(index::NAME), &bytes).map_err(|fault| unsound(fault.to_string()))
        };
        let judged = open(Side::Subject, subject).and_then(|subject| {
            let reference = names.remove(&Side::Reference).map(|names| open(Side::Reference, names));
            let reference = reference.transpose()?;
            let unsound = |fault: Fault| (Side::Subject, fault.to_string());
            let Ok(judged) = Captures::judged(&subject, reference.as_ref(), files, &Unkept);
            judged.map_err(unsound)
        });
        match judged {
            Ok(captures) => evidence.captures(captures),
            Err((side, message)) => self.find(&law::TENSORS_UNSOUND, side.folder(), message),
        }
    }
}

/// The bytes of the index of a capture.
fn whole(packed: &Packed<'_, '_, '_>) -> io::Result<Vec<u8>> {
    let file = packed.open(index::NAME)?;
    let length = usize::try_from(file.size_bytes()).unwrap_or(usize::MAX);
    if length > index::MAX_BYTES {
        return Err(io::Error::other("its index is longer than is read"));
    }
    let mut bytes = vec![0; length];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}
